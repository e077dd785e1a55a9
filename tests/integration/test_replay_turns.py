"""Replays turn by turn: what each turn moves and passes over, who keeps it from moving, and what is refused before."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import pytest

from forwarder.dead.filters import Filters
from forwarder.dead.selection import Selection
from forwarder.errors import ForwarderError, UsageError
from forwarder.queue import dead_letters, scripts
from forwarder.queue.stream import Entry
from forwarder.replaying.desk import ReplayRuns
from forwarder.replaying.plan import Plan, check_trace_ids, digest_of
from tests.integration.conftest import StartRig
from tests.support.letters import FIRST_AT_MS, bury
from tests.support.replaying import ALL, EU, WITH_EU, begun, dead_ids, desk, on_queue, ran, said
from tests.support.rig import Rig
from tests.support.waiting import eventually


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
