"""What `replay` and `dead-letters purge` do: ask, show progress, and give an exact account however it ends."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import typer

from forwarder import replay as moving
from forwarder.cli.boundary import FAILED, say
from forwarder.cli.context import Queue, open_queue
from forwarder.cli.interrupts import Interrupts
from forwarder.cli.output import is_attended, json_out, line
from forwarder.cli.progress import progress
from forwarder.errors import ForwarderError, UsageError
from forwarder.feedback import codec
from forwarder.queue import dead_letters
from forwarder.queue.connection import queue_errors
from forwarder.queue.keys import Keys
from forwarder.replay import Plan, Tally
from forwarder.selection import Selection


@dataclass(frozen=True, slots=True)
class Run:
    """One run over the dead letters of a destination, and how it is accounted for.

    Attributes:
        verb: what is done to a letter, as a past participle.
        tally: how far it has come.
        expected: how many letters there are to move, where that was counted.
        dry: whether nothing is really moved.
        as_json: how the account is printed.
    """

    verb: str
    tally: Tally
    expected: int | None
    dry: bool
    as_json: bool


def replay(plan: Plan, destination: str, *, yes: bool, as_json: bool) -> None:
    """Move letters back onto the queue; exits with 1 when some are no valid event and stay dead."""
    with open_queue() as queue:
        keys, events, tally = queue.keys(destination), codec(queue.settings.limits), Tally()
        expected = None
        if is_attended() and not plan.dry_run:
            dry = moving.replay(queue.client, keys, replace(plan, dry_run=True), events, tally=Tally())
            expected = max(seen.moved for seen in dry)
            _ask(f"move {expected:,} dead letters of {destination} back onto the queue?", yes=yes or not expected)
        with Interrupts() as interrupts:
            pages = moving.replay(queue.client, keys, plan, events, tally=tally, guard=interrupts.held)
            verb = "would be moved" if plan.dry_run else "moved"
            _follow(queue, pages, Run(verb, tally, expected, plan.dry_run, as_json))
    if tally.kept:
        raise typer.Exit(FAILED)


def purge(selection: Selection, destination: str, *, everything: bool, yes: bool, as_json: bool) -> None:
    """Delete letters for good."""
    if selection.is_everything and not everything:
        raise UsageError("give a filter, or --all for all of them")
    if everything and not selection.is_everything:
        raise UsageError("--all and filters do not go together")
    if not yes and not is_attended():
        raise UsageError("deleting for good needs --yes when nobody can be asked")
    with open_queue() as queue:
        keys, tally = queue.keys(destination), Tally()
        expected = _count(queue, keys, selection) if is_attended() else None
        if expected is not None:
            _ask(f"delete {expected:,} dead letters of {destination} for good?", yes=yes or not expected)
        with Interrupts() as interrupts:
            pages = moving.purge(queue.client, keys, selection, tally=tally, guard=interrupts.held)
            _follow(queue, pages, Run("purged", tally, expected, dry=False, as_json=as_json))


def _count(queue: Queue, keys: Keys, selection: Selection) -> int:
    newest = dead_letters.last_id(queue.client, keys)
    return sum(1 for _ in moving.selected(queue.client, keys, selection, newest))


def _ask(question: str, *, yes: bool) -> None:
    if not yes and not typer.confirm(question, err=True):
        raise ForwarderError("not confirmed: nothing was done")


def _follow(queue: Queue, pages: Iterator[Tally], run: Run) -> None:
    """Go through all pages; however that ends, say how far it came."""
    way_on = "nothing is lost or doubled; the same command goes on"
    try:
        with queue_errors(queue.settings), progress(run.verb, run.expected, in_bytes=False) as advance:
            for tally in pages:
                advance(tally.moved, tally.moved)
    except KeyboardInterrupt:
        _report(run)
        raise KeyboardInterrupt(f"interrupted: {way_on}") from None
    except ForwarderError as error:
        _report(run)
        raise ForwarderError(f"{error}\n{way_on}") from None
    _report(run)


def _report(run: Run) -> None:
    tally = run.tally
    if run.as_json:
        kept = [{"id": letter_id, "problem": problem} for letter_id, problem in tally.examples]
        account: dict[str, Any] = {"matched": tally.matched, "moved": tally.moved, "gone": tally.gone}
        json_out({**account, "kept": tally.kept, "kept_examples": kept, "dry_run": run.dry})
        return
    for letter_id, problem in tally.examples:
        say(f"{letter_id}: {problem}")
    if tally.kept > len(tally.examples):
        say(f"… and {tally.kept - len(tally.examples):,} more")
    notes = [f"{tally.kept:,} are no valid event and stay dead"] if tally.kept else []
    notes += [f"{tally.gone:,} were gone meanwhile"] if tally.gone else []
    line(f"{tally.moved:,} of {tally.matched:,} dead letters {run.verb}" + (f" ({', '.join(notes)})" if notes else ""))
