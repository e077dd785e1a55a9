"""What arrived, as the store keeps it and the witness tells it; and the scores, against sums done by hand."""

import asyncio
import json
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from forwarder.errors import ForwarderError
from forwarder.feedback import codec
from forwarder.sandbox.store import Receipt, Store
from forwarder.sandbox.updates import Update
from forwarder.sandbox.witness import Witness

RECEIPT = Receipt(at=1.5, method="POST", path="/v1/feedback/", size=10, status=200)
USERS = st.sampled_from(["u1", "u2", "é", "1"])
EVENTS = st.fixed_dictionaries(
    {"trace_id": st.sampled_from(["a", "b", "ü"]), "value": st.integers(-10, 10)},
    optional={
        "weight": st.floats(0, 1),
        "metadata": st.fixed_dictionaries({}, optional={"_user": USERS | st.none() | st.just(1)}),
    },
)


@contextmanager
def opened(path: Path) -> Iterator[tuple[Store, Witness]]:
    store = Store(path)
    try:
        yield store, Witness(path, store.id_prefix)
    finally:
        store.close()


@pytest.fixture
def both(tmp_path: Path) -> Iterator[tuple[Store, Witness]]:
    with opened(tmp_path / "new" / "s.sqlite3") as pair:
        yield pair


def take(store: Store, *events: dict[str, Any]) -> list[str]:
    return store.take(RECEIPT, codec().parse(json.dumps(events).encode()))[1]


def event(trace_id: str, value: int = 1, **more: object) -> dict[str, Any]:
    return {"trace_id": trace_id, "value": value, **more}


def scored(witness: Witness, group_by: str, limit: int = 100) -> dict[Any, dict[str, Any]]:
    summary = asyncio.run(witness.summary(group_by, limit))
    return {group.pop("group"): group for group in summary["groups"]}


def expected_scores(events: list[dict[str, Any]]) -> dict[str, Any]:
    weights = [e.get("weight", 1.0) for e in events]
    total = sum(weights)
    weighed = sum(e["value"] * weight for e, weight in zip(events, weights, strict=True))
    return {
        "count": len(events),
        "weighted_mean": pytest.approx(weighed / total) if total else None,
        "thumbs_up": sum(e["value"] > 0 for e in events),
        "thumbs_down": sum(e["value"] < 0 for e in events),
    }


@settings(max_examples=40, deadline=None)
@given(st.lists(EVENTS, min_size=1, max_size=12))
def test_the_summary_equals_sums_done_by_hand(events: list[dict[str, Any]]) -> None:
    groups: dict[str, dict[Any, list[dict[str, Any]]]] = {"trace_id": {}, "_user": {}}
    for one in events:
        groups["trace_id"].setdefault(one["trace_id"], []).append(one)
        groups["_user"].setdefault(one.get("metadata", {}).get("_user"), []).append(one)
    with tempfile.TemporaryDirectory() as folder, opened(Path(folder) / "s") as (store, witness):
        take(store, *events)
        for group_by, members in groups.items():
            assert scored(witness, group_by) == {key: expected_scores(held) for key, held in members.items()}


def test_the_weighted_mean_in_numbers(both: tuple[Store, Witness]) -> None:
    store, witness = both
    take(store, event("a", 10, weight=0.25), event("a", -2), event("b", 5, weight=0))
    assert scored(witness, "trace")["a"]["weighted_mean"] == pytest.approx((10 * 0.25 - 2) / 1.25)
    assert scored(witness, "trace")["b"]["weighted_mean"] is None


def test_one_spelling_of_a_text_is_one_group(both: tuple[Store, Witness]) -> None:
    store, witness = both
    for user in (rb"\u00e9", "é".encode()):
        store.take(RECEIPT, codec().parse(b'{"trace_id":"t","value":1,"metadata":{"_user":"' + user + b'"}}'))
    assert scored(witness, "user")["é"]["count"] == 2


def test_the_summary_is_cut_at_the_limit_and_says_how_many_groups_there_are(both: tuple[Store, Witness]) -> None:
    store, witness = both
    take(store, event("a"), event("b"), event("b"), event("c"))
    summary = asyncio.run(witness.summary("trace_id", 2))
    assert (summary["total"], [group["group"] for group in summary["groups"]]) == (3, ["b", "a"])


def test_an_update_changes_scores_and_group_but_not_what_arrived(both: tuple[Store, Witness]) -> None:
    store, witness = both
    sent = event("a", 1, weight=0.5, metadata={"_user": "u1"})
    (feedback_id,) = take(store, sent)
    assert store.update(RECEIPT, feedback_id, Update(-3)) is not None
    assert scored(witness, "user") == {"u1": expected_scores([event("a", -3, weight=0.5)])}
    assert store.update(RECEIPT, feedback_id, Update(-3, 0.0, '{"_user":"u2"}')) is not None
    assert scored(witness, "user")["u2"]["weighted_mean"] is None
    (arrived,) = asyncio.run(witness.arrivals("a", "", "", 10))
    assert arrived["arrivals"][0]["value"] == -3
    assert json.loads(bytes(arrived["arrivals"][0]["event"])) == sent


@pytest.mark.parametrize("feedback_id", ["", "x", "0" * 36])
def test_an_unknown_id_is_not_updated(both: tuple[Store, Witness], feedback_id: str) -> None:
    store, _ = both
    (known,) = take(store, event("a"))
    foreign = "0" * 24 + known[24:]
    absent = f"{known[:24]}{int(known[24:], 16) + 1:012x}"
    assert [store.update(RECEIPT, id_, Update(1)) for id_ in (feedback_id, foreign, absent)] == [None] * 3


def test_counts_tell_repeated_bodies_from_repeated_trace_ids(both: tuple[Store, Witness]) -> None:
    store, witness = both
    take(store, event("a", 1), event("a", 2), event("b", 1))
    take(store, event("a", 1))
    store.record(RECEIPT)
    expected = {"requests": 3, "batches": 2, "events": 4, "distinct_trace_ids": 2, "duplicates": 1}
    assert asyncio.run(witness.counts(distinct=True)) == expected
    take(store, event("c"))
    assert asyncio.run(witness.counts(distinct=True))["distinct_trace_ids"] == 3
    assert asyncio.run(witness.counts(distinct=False)) == {"requests": 4, "batches": 3, "events": 5}


def test_ids_are_in_the_order_of_the_input_and_are_never_given_twice(both: tuple[Store, Witness]) -> None:
    store, witness = both
    first = take(store, event("a"), event("b"))
    positions = [(t["trace_id"], t["arrivals"][0]) for t in asyncio.run(witness.arrivals(None, "", "", 10))]
    assert [(t, a["feedback_id"], a["position"]) for t, a in positions] == [("a", first[0], 0), ("b", first[1], 1)]
    store.empty()
    assert asyncio.run(witness.counts(distinct=True))["events"] == 0
    assert not set(first) & set(take(store, event("a"), event("b")))


@pytest.mark.parametrize("prefix", ["a", "aé", "\U0010ffff", "%", "_", "'"])
def test_a_prefix_is_taken_literally(both: tuple[Store, Witness], prefix: str) -> None:
    store, witness = both
    inside = [prefix, prefix + "\U0010ffff" * 2, prefix + "z"]
    take(store, *map(event, [*inside, "A", "b", "0" + prefix]))

    async def times() -> dict[str, int]:
        return {name: n async for chunk in witness.times_arrived(prefix) for name, n in chunk.items()}

    assert {name for name in asyncio.run(times()) if name in inside} == set(inside)
    assert all(name.startswith(prefix) for name in asyncio.run(times()))


def test_a_failing_write_leaves_nothing_behind(both: tuple[Store, Witness]) -> None:
    store, witness = both
    store._db.execute(
        "CREATE TRIGGER full AFTER INSERT ON events WHEN NEW.value = 9 BEGIN SELECT raise(FAIL, 'x'); END"
    )
    with pytest.raises(sqlite3.Error, match="x"):
        take(store, event("a"), event("b", 9))
    assert asyncio.run(witness.counts(distinct=True))["requests"] == 0
    assert take(store, event("a"))


def test_a_store_goes_on_where_it_was(tmp_path: Path) -> None:
    with opened(tmp_path / "s") as (store, _):
        first = take(store, event("a"))
    with opened(tmp_path / "s") as (store, witness):
        assert store.update(RECEIPT, first[0], Update(2)) is not None
        assert take(store, event("a")) != first
        assert asyncio.run(witness.counts(distinct=True))["events"] == 2


def test_a_file_that_is_not_ours_is_refused_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no database " * 100)
    with sqlite3.connect(tmp_path / "newer") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for path, said in [("text", "not a database"), ("newer", "another version"), ("text/s", "File exists")]:
        with pytest.raises(ForwarderError, match=f"FORWARDER_DATA_DIR.*{said}"):
            Store(tmp_path / path)
