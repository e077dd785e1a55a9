"""Dead letters that died of the same thing, counted together within bounds."""

import pytest

from forwarder.dead import groups as module
from forwarder.dead.groups import OTHERS, Groups, grouped
from forwarder.queue.dead_letters import DeadLetter


def letter(
    second: int, error: str, *, status: int | None = 400, reason: str = "rejected", source: bytes = b"shop"
) -> DeadLetter:
    return DeadLetter(b"", reason, error, status=status, source=source, id=f"{second * 1000}-7")


def test_a_group_tells_who_died_when_and_of_what() -> None:
    (group,) = grouped(
        [
            letter(1, "event 1 is bad", source=b"\xff"),
            letter(2, "event 22 is bad"),
            letter(5, "event 333 is bad", reason="exhausted"),
        ]
    ).commonest
    assert group.as_json() == {
        "status": 400,
        "message": "event N is bad",
        "count": 3,
        "first": "1970-01-01 00:00:01Z",
        "last": "1970-01-01 00:00:05Z",
        "first_ms": 1_000,
        "last_ms": 5_000,
        "reasons": {"rejected": 2, "exhausted": 1},
        "sources": {"shop": 2, "\ufffd": 1},
        "example": {"id": "1000-7", "error": "event 1 is bad"},
    }
    assert list(group.as_json()["sources"]) == ["shop", "\ufffd"], "the commonest first"


def test_letters_of_another_status_or_message_are_another_group_and_the_largest_comes_first() -> None:
    groups = grouped([letter(1, "one"), letter(2, "two"), letter(3, "two"), letter(4, "two", status=None)])
    assert [(group.status, group.message, group.count) for group in groups.commonest] == [
        (400, "two", 2),
        (400, "one", 1),
        (None, "two", 1),
    ]
    stats = groups.stats()
    assert (stats["total"], list(stats["statuses"].items())) == (4, [("400", 3), ("none", 1)])
    assert stats["errors"] == [{"error": "two", "count": 3}, {"error": "one", "count": 1}]
    assert (stats["first"], stats["last"]) == ("1970-01-01 00:00:01Z", "1970-01-01 00:00:04Z")


def test_without_letters_there_is_no_first_and_no_last() -> None:
    empty = {"total": 0, "reasons": {}, "statuses": {}, "errors": [], "first": None, "last": None}
    assert Groups().stats() == empty


def test_what_is_never_said_twice_goes_to_the_others_once_there_are_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "GROUPS_MAX", 2)
    groups = grouped([letter(second, error) for second, error in enumerate(["a", "b", "c", "d", "b"], 1)])
    assert {(group.status, group.message): group.count for group in groups.commonest} == {
        (400, "a"): 1,
        (400, "b"): 2,
        (None, OTHERS): 2,
    }


def test_so_do_services_with_a_new_name_each_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SOURCES_MAX", 2)
    (group,) = grouped([letter(1, "x", source=name) for name in (b"a", b"b", b"c", b"d", b"b")]).commonest
    assert group.sources == {"a": 1, "b": 2, OTHERS: 2}
