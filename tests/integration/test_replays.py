"""Replays with real workers: in the background, behind a canary, elsewhere, killed, and what became of each event."""

import json
import random
from collections import Counter
from collections.abc import Sequence

from forwarder.queue import dead_letters
from forwarder.queue.dead_letters import DeadLetter
from forwarder.replaying.plan import Plan
from tests.integration.conftest import StartRig
from tests.support.letters import FIRST_AT_MS, bury
from tests.support.replaying import (
    ALL,
    EU,
    WITH_EU,
    begun,
    dead_ids,
    desk,
    finished,
    moved_at_least,
    on_queue,
    said,
)
from tests.support.rig import Rig
from tests.support.waiting import eventually


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
