"""Replays with real workers: in the background, behind a canary, edited, elsewhere, cancelled, killed."""

import json
import random
from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from forwarder.dead.filters import Filters
from forwarder.dead.selection import Selection
from forwarder.errors import ForwarderError, UsageError
from forwarder.queue import dead_letters, scripts
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.replays import Record
from forwarder.queue.stream import Entry
from forwarder.replaying.desk import Desk, ReplayRuns
from forwarder.replaying.plan import Plan, check_trace_ids, digest_of
from forwarder.replaying.run import Run
from tests.integration.conftest import StartRig
from tests.support.letters import FIRST_AT_MS, bury
from tests.support.rig import Rig
from tests.support.waiting import eventually

ALL = Selection()
EU = Keys("eu")
WITH_EU = {"FORWARDER_DESTINATIONS__EU__BATCH_MAX_EVENTS": "100"}


@pytest.fixture
def rig(start_rig: StartRig) -> Rig:
    return start_rig()


def desk(rig: Rig) -> Desk:
    return Desk(rig.redis, rig.settings, "default")


def begun(rig: Rig, plan: Plan, *, background: bool = False, trace_ids: dict[str, str] | None = None) -> Record:
    desk(rig).check(plan)
    return desk(rig).begin(plan, by="test", trace_ids=trace_ids or {}, background=background)


def finished(rig: Rig, record: Record, within_s: float = 60.0) -> Record:
    """The replay once it is over and each of its events has its outcome."""
    assert eventually(lambda: over(desk(rig).get(record.id)), within_s), f"{desk(rig).get(record.id)}\n{said(rig)}"
    return desk(rig).get(record.id)


def over(record: Record) -> bool:
    return not record.active and not record.under_way


def said(rig: Rig) -> str:
    return rig.log.read_text()[-6_000:] if rig.log.exists() else ""


def ran(run: Run, turns: int = 10_000) -> Record:
    """The replay after so many turns at most, or when it waits."""
    for _ in range(turns):
        if not run.record.active or run.turn():
            break
    return run.record


def moved_at_least(rig: Rig, record: Record, wanted: int) -> bool:
    return eventually(lambda: desk(rig).get(record.id).moved >= wanted)


def on_queue(rig: Rig, keys: Keys | None = None) -> Counter[str]:
    """How often each trace id is on the queue."""
    found: Counter[str] = Counter()
    entries: Any = rig.redis.xrange((keys or rig.keys).events)
    for _, fields in entries:
        body = json.loads(fields[b"body"])
        found.update(event["trace_id"] for event in (body if isinstance(body, list) else [body]))
    return found


def dead_ids(rig: Rig) -> list[str]:
    return [json.loads(letter.body)["trace_id"] for letter in rig.dead()]


def test_a_background_replay_is_run_by_a_worker_and_knows_what_became_of_each_event(rig: Rig) -> None:
    bury(rig.redis, 1_000)
    rig.sandbox.set_faults({"kind": "refuse", "field": "trace_id", "equals": "t7"})
    rig.start_worker()

    record = finished(rig, begun(rig, Plan(ALL), background=True))

    assert (record.state, record.moved, record.delivered, record.died) == ("done", 1_000, 999, 1)
    assert [(letter.replays, json.loads(letter.body)["trace_id"]) for letter in rig.dead()] == [(1, "t7")]
    rig.assert_books_close()


def test_the_only_worker_runs_a_slow_replay_and_delivers_meanwhile(rig: Rig) -> None:
    bury(rig.redis, 60)
    rig.start_worker()

    record = begun(rig, Plan(ALL, rate=10), background=True)

    assert eventually(lambda: 0 < desk(rig).get(record.id).delivered < 60), said(rig)
    assert finished(rig, record).delivered == 60
    rig.assert_books_close()


def test_a_canary_that_is_delivered_lets_the_others_go(rig: Rig) -> None:
    bury(rig.redis, 500)
    rig.start_worker()

    record = finished(rig, begun(rig, Plan(ALL, canary=20), background=True))

    assert (record.state, record.moved, record.delivered) == ("done", 500, 500)


def test_a_canary_that_dies_again_stops_the_replay_and_the_rest_stays_dead(rig: Rig) -> None:
    bury(rig.redis, 500)
    rig.sandbox.set_faults({"kind": "refuse", "field": "trace_id", "equals": "t3"})
    rig.start_worker()

    record = finished(rig, begun(rig, Plan(ALL, canary=20), background=True))

    assert (record.state, record.moved, record.delivered, record.died) == ("stopped", 20, 19, 1)
    assert "1 of the canary's 20 died again" in record.note
    assert rig.books().dead == 481
    rig.assert_books_close()


def test_a_stopped_replay_can_be_gone_on_with_and_meets_no_letter_that_died_later(rig: Rig) -> None:
    bury(rig.redis, 50)
    rig.sandbox.set_faults({"kind": "refuse", "field": "trace_id", "equals": "t3"})
    rig.start_worker()
    stopped = finished(rig, begun(rig, Plan(ALL, canary=20), background=True))

    record = finished(rig, desk(rig).resume(stopped.id, background=True))

    assert (record.state, record.moved, record.delivered, record.died) == ("done", 50, 49, 1)
    assert dead_ids(rig) == ["t3"]


def assert_first_times(letters: Sequence[DeadLetter]) -> None:
    """As `bury` gave them."""
    assert letters
    for letter in letters:
        assert letter.at_ms == FIRST_AT_MS + int(json.loads(letter.body)["trace_id"].removeprefix("t"))


def test_letters_that_die_again_are_not_looped_and_keep_their_first_times(rig: Rig) -> None:
    bury(rig.redis, 1_200, apart=True)
    rig.sandbox.set_faults({"kind": "refuse", "field": "value", "equals": 1})
    rig.start_worker()

    record = finished(rig, begun(rig, Plan(ALL, rate=2_000), background=True))

    assert (record.moved, record.died) == (1_200, 1_200)
    assert {letter.replays for letter in rig.dead()} == {1}
    assert_first_times(rig.dead())
    rig.assert_books_close()


def test_first_times_survive_another_destination_smaller_batches_and_a_second_death(start_rig: StartRig) -> None:
    rig = start_rig(**WITH_EU)  # entries are cut there
    bury(rig.redis, 700, apart=True)
    rig.sandbox.set_faults(*({"kind": "refuse", "equals": trace_id} for trace_id in ("t7", "t250", "t699")))
    rig.start_worker()

    record = finished(rig, begun(rig, Plan(ALL, to="eu"), background=True))

    assert (record.delivered, record.died) == (697, 3)
    assert_first_times(list(dead_letters.scan(rig.redis, EU)))


def test_letters_of_different_first_times_share_an_entry_and_move_together(rig: Rig) -> None:
    bury(rig.redis, 1_200, apart=True)

    ran(desk(rig).run(begun(rig, Plan(ALL))))

    assert rig.redis.info("commandstats")["cmdstat_xdel"]["calls"] == 3, "each page moves as a whole"
    found: Any = rig.redis.xrange(rig.keys.events)
    entries = [Entry(entry_id, fields) for entry_id, fields in found]
    assert [entry.counted for entry in entries] == [500, 500, 200]
    times = [entry.accepted.of(place) for entry in entries for place in range(entry.counted)]
    assert times == [FIRST_AT_MS + number for number in range(1_200)]


def test_letters_that_somebody_purges_meanwhile_are_passed_over_on_every_page(rig: Rig) -> None:
    bury(rig.redis, 3_000)
    run_of_it = desk(rig).run(begun(rig, Plan(ALL)))
    while ran(run_of_it, turns=1).active:
        for letter in rig.dead()[:600:100]:
            assert scripts.run(rig.redis, dead_letters.purge(rig.keys, [letter.id or ""])) == 1

    done, copies = run_of_it.record, on_queue(rig)
    assert (done.state, done.moved) == ("done", 3_000 - rig.books()["purged"])
    assert done.gone
    assert (len(copies), set(copies.values())) == (done.moved, {1})
    rig.assert_books_close()


def test_a_second_replay_of_a_selection_is_told_which_runs(rig: Rig) -> None:
    bury(rig.redis, 5)
    first = begun(rig, Plan(Filters(reason=("rejected",), since="2h").selection(10**13), rate=0.1))

    with pytest.raises(ReplayRuns, match=f"replay {first.id} of this selection runs"):
        begun(rig, Plan(Filters(reason=("rejected",), since="2h").selection(10**13 + 5_000)))

    assert begun(rig, Plan(Filters(reason=("exhausted",)).selection(0))).id != first.id
    desk(rig).cancel(first.id, "test")
    assert begun(rig, Plan(Filters(reason=("rejected",)).selection(10**13))).active


def test_replays_of_times_that_do_not_overlap_run_beside_each_other(rig: Rig) -> None:
    bury(rig.redis, 5)
    begun(rig, Plan(Selection(since_ms=1_000, until_ms=2_000)))

    assert begun(rig, Plan(Selection(since_ms=2_001))).active
    with pytest.raises(ReplayRuns):
        begun(rig, Plan(Selection(until_ms=1_500)))


def test_who_was_fenced_off_moves_nothing_more(rig: Rig) -> None:
    bury(rig.redis, 1_500)
    record = begun(rig, Plan(ALL))
    stalled = desk(rig).run(record)
    assert ran(stalled, turns=1).moved == 500
    rig.redis.hset(rig.keys.replay(record.id), "lease", 0)  # as if it had been silent for long

    heir = begun(rig, Plan(ALL))
    assert (heir.id, heir.moved) == (record.id, 500)
    assert ran(stalled).state == "lost"
    done = ran(desk(rig).run(heir))

    assert (done.state, done.moved, done.gone) == ("done", 1_500, 0)
    assert on_queue(rig) == Counter({f"t{number}": 1 for number in range(1_500)})
    rig.assert_books_close()


def test_a_page_that_is_sent_again_because_its_reply_was_lost_counts_once(rig: Rig) -> None:
    bury(rig.redis, 700)
    record = begun(rig, Plan(ALL))
    lost = desk(rig).run(record)
    ran(lost, turns=1)
    again = desk(rig).run(record)  # it knows nothing of the page

    done = ran(again)

    assert (done.state, done.moved, done.gone, done.seen) == ("done", 700, 0, 700)
    rig.assert_books_close()


def test_a_cancelled_replay_moves_nothing_more_and_can_be_resumed(rig: Rig) -> None:
    bury(rig.redis, 1_200)
    record = begun(rig, Plan(ALL))
    run = desk(rig).run(record)
    ran(run, turns=1)

    assert desk(rig).cancel(record.id, "test").state == "cancelled"
    assert ran(run).state == "cancelled"
    assert rig.books().dead == 700
    with pytest.raises(ForwarderError, match="there is no replay"):
        desk(rig).cancel("0" * 12, "test")
    resumed = ran(desk(rig).run(desk(rig).resume(record.id, background=False)))

    assert (resumed.state, resumed.moved) == ("done", 1_200)
    with pytest.raises(ForwarderError, match="is done"):
        desk(rig).resume(record.id, background=False)


def test_letters_are_mended_by_a_map_of_trace_ids_and_others_stay_dead(rig: Rig) -> None:
    bury(rig.redis, 5)
    pairs = {"t1": "new1", "t3": "new3"}

    done = ran(desk(rig).run(begun(rig, Plan(ALL, trace_ids=digest_of(pairs), edits={"value": "4"}), trace_ids=pairs)))

    assert (done.moved, done.kept) == (2, 3)
    assert on_queue(rig) == Counter({"new1": 1, "new3": 1})
    assert dead_ids(rig) == ["t0", "t2", "t4"]
    assert "trace_id: is not in the map of trace ids" in done.examples


@pytest.mark.parametrize(
    ("plan", "problem"),
    [
        (Plan(ALL, edits={"value": "99"}), "--set value: must be an integer from -10 to 10"),
        (Plan(ALL, edits={"trace_id": "null"}), "--unset trace_id"),
        (Plan(ALL, to="moon"), "destination 'moon' is not configured"),
        (Plan(ALL, canary=5, limit=5), "--canary must be less than --limit"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_moves(rig: Rig, plan: Plan, problem: str) -> None:
    with pytest.raises(ForwarderError, match=problem):
        desk(rig).check(plan)


@pytest.mark.parametrize(
    ("pairs", "problem"),
    [
        ([(1, "a", "")], "ids.csv:1: trace_id"),
        ([(1, "a", "x"), (2, "a", "y")], "ids.csv:2: 'a' is to become 'y' here and 'x' before"),
        ([], "maps no trace id"),
    ],
)
def test_a_wrong_map_names_its_line(rig: Rig, pairs: Sequence[tuple[int, str, str]], problem: str) -> None:
    from forwarder.feedback import codec  # noqa: PLC0415

    with pytest.raises(UsageError, match=problem):
        check_trace_ids(pairs, codec(rig.settings.limits), "ids.csv")


def test_letters_replayed_too_often_stay_dead(rig: Rig) -> None:
    bury(rig.redis, 3)
    bury(rig.redis, 2, first=3, replays=2)

    done = ran(desk(rig).run(begun(rig, Plan(ALL, max_replays=2))))

    assert (done.moved, done.spent) == (3, 2)
    assert dead_ids(rig) == ["t3", "t4"]


def test_nothing_moves_onto_a_full_queue_and_it_goes_on_when_there_is_room(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_BACKLOG_MAX_EVENTS="700")
    bury(rig.redis, 1_000)
    run = desk(rig).run(begun(rig, Plan(ALL)))

    assert ran(run).moved == 500
    assert run.full
    rig.start_worker()
    assert eventually(lambda: not run.record.active or (run.turn() and False)), said(rig)

    assert run.record.moved == 1_000
    rig.settled()
    rig.assert_books_close()


def test_letters_go_to_another_destination_and_both_books_close(start_rig: StartRig) -> None:
    rig = start_rig(**WITH_EU)
    bury(rig.redis, 1_200)
    rig.start_worker()

    record = finished(rig, begun(rig, Plan(ALL, to="eu"), background=True))

    assert (record.state, record.moved, record.delivered) == ("done", 1_200, 1_200)
    assert (rig.books()["purged:moved"], rig.books("eu")["accepted:moved"]) == (1_200, 1_200)
    assert rig.books("eu")["delivered"] == 1_200
    rig.assert_books_close()
    assert all(line.closes for line in rig.books("eu").lines)


def test_a_queue_elsewhere_is_full_by_its_own_cap(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_BACKLOG_MAX_EVENTS="1000", FORWARDER_DESTINATIONS__EU__PARTITIONS="2")
    bury(rig.redis, 600)
    run = desk(rig).run(begun(rig, Plan(ALL, to="eu")))

    assert ran(run).moved == 500, "half of it is each partition's"
    assert run.full


@pytest.mark.parametrize("vanished", [0, 2])
def test_a_handing_over_that_was_broken_off_loses_nothing_and_counts_its_doubt(
    start_rig: StartRig, monkeypatch: pytest.MonkeyPatch, vanished: int
) -> None:
    rig = start_rig(**WITH_EU)
    bury(rig.redis, 30)
    record = begun(rig, Plan(ALL, to="eu"))
    run = desk(rig).run(record)
    with monkeypatch.context() as patched:
        patched.setattr("forwarder.queue.replay_pages.move", None)  # killed between the two steps
        with pytest.raises(TypeError):
            run.turn()
    assert (sum(on_queue(rig, EU).values()), rig.books().dead) == (30, 30)
    for letter in rig.dead()[:vanished]:
        rig.redis.xdel(rig.keys.dead, letter.id or "")

    rig.redis.hset(rig.keys.replay(record.id), "lease", 0)
    done = ran(desk(rig).run(begun(rig, Plan(ALL, to="eu"))))

    assert (done.state, done.moved, rig.redis.xlen(rig.keys.dead)) == ("done", 30 - vanished, 0)
    copies = on_queue(rig, EU)
    assert set(copies) == {f"t{number}" for number in range(30)}
    assert sum(copies.values()) - 30 <= rig.books("eu")["ambiguous"] == (30 if vanished else 0)


def test_a_background_replay_that_is_killed_again_and_again_loses_and_doubles_nothing(rig: Rig) -> None:
    bury(rig.redis, 20_000)
    rig.redis.hset(rig.keys.pause, mapping={"reason": "so that what moved can be counted", "kind": "hand", "since": 1})
    record = begun(rig, Plan(ALL, rate=20_000), background=True)
    chance = random.Random(4)  # noqa: S311 - repeatable
    for _ in range(3):
        worker = rig.start_worker()
        assert moved_at_least(rig, record, desk(rig).get(record.id).moved + chance.randrange(500, 5_000)), said(rig)
        for pid in [*rig.horses(), worker.pid]:
            rig.kill(pid)
        worker.wait()
        rig.workers.remove(worker)
        moved = desk(rig).get(record.id).moved
        assert (sum(on_queue(rig).values()), rig.books().dead) == (moved, 20_000 - moved)
        rig.assert_books_close()
    rig.start_worker()

    assert eventually(lambda: not desk(rig).get(record.id).active, 60), said(rig)
    assert (desk(rig).get(record.id).moved, rig.books().dead) == (20_000, 0)
    assert on_queue(rig) == Counter({f"t{number}": 1 for number in range(20_000)})
    rig.assert_books_close()
