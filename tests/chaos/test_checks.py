"""Each check of a chaos run finds what it is there for."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from forwarder.queue.audit import DeepAudit, Waiting
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.ledger import Snapshot
from tests.chaos.checks import failures, ranges
from tests.chaos.evidence import Evidence, Left
from tests.chaos.faults.upstream import REFUSES_ANY, REFUSES_PLANTED
from tests.chaos.figures import Recovery, recovery
from tests.chaos.journal import PLANTED_EVERY, Journal, Sent, read_journals
from tests.chaos.logs import deaths, ending, tracebacks

PLANTED = f"p1-{PLANTED_EVERY}"


def letter(trace: str, reason: str = "rejected", error: str = REFUSES_PLANTED) -> DeadLetter:
    return DeadLetter(json.dumps({"trace_id": trace, "value": 1}).encode(), reason, f"HTTP 400: {error}")


def books(**changed: int) -> Snapshot:
    counters = {"accepted": 4, "delivered": 3, "dead_lettered": 1, "entries_settled": 2, "ambiguous": 1} | changed
    return Snapshot(counters, entries_added=2, dead=1)


SOUND = Evidence(
    sent=Sent(frozenset({"p1-1", "p1-2", PLANTED}), frozenset({"p1-3", "p1-4"})),
    arrived={"p1-1": 1, "p1-2": 2, "p1-3": 1},
    letters=[letter(PLANTED)],
    audits=[DeepAudit(books(), Waiting(), stood_still=True)],
)
"""Three events were acknowledged; one of two unknown ones had been stored, one event is dead, one arrived twice."""


def with_books(**changed: int) -> Evidence:
    return replace(SOUND, audits=[DeepAudit(books(**changed), Waiting(), stood_still=True)])


def test_all_is_well_when_everything_is_accounted_for() -> None:
    assert failures(SOUND) == []


@pytest.mark.parametrize(
    "dead",
    [
        letter("p1-1", error=REFUSES_ANY),
        letter("p1-1", "unproven", REFUSES_PLANTED),
    ],
    ids=["refused at random", "in the company of a planted one"],
)
def test_a_letter_that_the_upstream_caused_is_deserved(dead: DeadLetter) -> None:
    arrived = {"p1-2": 2, "p1-3": 1}
    evidence = replace(SOUND, arrived=arrived, letters=[letter(PLANTED), dead])
    assert failures(evidence) == []


@pytest.mark.parametrize(
    ("evidence", "said"),
    [
        (replace(SOUND, arrived={"p1-2": 2, "p1-3": 1}), "1 acknowledged events are lost: p1-1"),
        (replace(SOUND, arrived={**SOUND.arrived, "p9-1": 1}), "that nobody sent: p9-1"),
        (replace(SOUND, letters=[letter("p1-1")]), "p1-1 is dead for no good reason: rejected"),
        (replace(SOUND, letters=[letter(PLANTED, "exhausted")]), "is dead for no good reason: exhausted"),
        (replace(SOUND, letters=[letter(PLANTED, error="no")]), "is dead for no good reason"),
        (replace(SOUND, letters=[letter(PLANTED)] * 2), "1 events have more than one dead letter"),
        (with_books(accepted=6), "the ledger accepted 6, but 3 were acknowledged and 5 sent"),
        (with_books(accepted=2), "the ledger accepted 2, but 3 were acknowledged"),
        (with_books(accepted=5), "the ledger accepted 5, but 4 different events arrived or died"),
        (with_books(delivered=2), "DOES NOT CLOSE"),
        (with_books(pending=1), "the deep audit does not close"),
        (replace(SOUND, audits=[replace(SOUND.audits[0], stood_still=False)]), "the deep audit does not close"),
        (with_books(ambiguous=0), "1 duplicates, but only 0 ambiguous; more than once: p1-2"),
        (replace(SOUND, left=Left(pending=2)), "2 entries are pending"),
        (replace(SOUND, left=Left(leases=["lease:0"])), "the lease lease:0 is left"),
        (replace(SOUND, left=Left(processes=["12: python"])), "a process is left: 12: python"),
        (replace(SOUND, unexpected=["KeyError: 'x'"]), "an unexpected traceback in the log: KeyError: 'x'"),
    ],
)
def test_what_is_wrong_is_said(evidence: Evidence, said: str) -> None:
    assert said in "\n".join(failures(evidence))


def test_neighbours_are_named_together() -> None:
    assert ranges(["p2-7", "p1-10", "p1-9", "p1-11", "p1-2"]) == "p1-2, p1-9…11, p2-7"


def test_a_journal_tells_what_must_arrive_and_what_may(tmp_path: Path) -> None:
    journal = Journal(tmp_path, 3)
    journal.note("sent", 0, 2, "chunk")
    journal.note("stored", 0, 2, "chunk")
    journal.note("sent", 2, 1, "xadd")
    journal.note("unknown", 2, 1, "TimeoutError")
    journal.note("sent", 3, 1, "chunk")
    assert read_journals(tmp_path) == Sent(frozenset({"p3-0", "p3-1"}), frozenset({"p3-2", "p3-3"}))


def test_tracebacks_are_found_however_they_were_written() -> None:
    trace = "Traceback (most recent call last):\n  File x\n    y\nKeyError: 'x'\n"
    told = [json.dumps({"event": f"worker {name * 32} quits", "exception": trace}) for name in "ab"]
    log = "\n".join(["a line", trace, *told, "{torn", trace])
    assert tracebacks(log) == ["2 times worker … quits: KeyError: 'x'", "2 times KeyError: 'x'"]
    assert tracebacks('{"event": "calm"}\nerror: no queue\n') == []


def test_the_log_tells_who_died_and_how_it_ended() -> None:
    log = '{"event": "child_died", "exit_code": -9}\n{"level": "debug"}\n{"event": "child_died", "exit_code": 1}\nlast'
    assert deaths(log) == [-9, 1]
    assert ending(log, 2) == '{"event": "child_died", "exit_code": 1}\nlast'


def test_a_recovery_is_the_wait_for_the_next_delivery() -> None:
    assert recovery([1.0, 5.0, 9.0], [0.5, 1.5, 7.0]) == Recovery(1.25, 2.0)
    assert recovery([9.0], [1.0]) == Recovery(None, None)
