"""What `status` shows."""

import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import msgspec
from msgspec import UNSET
from msgspec.structs import replace

from forwarder.cli.boundary import say
from forwarder.cli.output import console, is_terminal, json_out, line, printable, rich_table, table_out
from forwarder.cli.reach import Reach, reached
from forwarder.clock import now_ms
from forwarder.errors import ForwarderError
from forwarder.operations.operator import Nothing
from forwarder.operations.status import Status
from forwarder.operations.table import STATUS
from forwarder.queue.histograms import is_bucket
from forwarder.queue.ledger import SUMS
from forwarder.times import shown_duration, shown_moment

REFRESH_S = 1.0


@dataclass(frozen=True, slots=True)
class Look:
    """All destinations at one moment.

    Attributes:
        at_ms: the moment (ms since 1970).
        statuses: by destination.
    """

    at_ms: int
    statuses: dict[str, Status]

    def as_json(self) -> dict[str, Any]:
        """For programs."""
        plain: dict[str, Any] = msgspec.to_builtins(self.statuses)
        return plain


def show(*, watch: bool, as_json: bool, wait: Callable[[float], None] = time.sleep) -> None:
    """Show all destinations, once or until Ctrl-C."""
    with reached() as reach:
        if not watch:
            _print(look(reach), as_json=as_json)
            return
        try:
            if is_terminal() and not as_json:
                _live(reach, wait)
            else:
                _stream(reach, wait, as_json=as_json)
        except KeyboardInterrupt:
            return  # that is how one stops watching


def look(reach: Reach, before: Look | None = None) -> Look:
    """All destinations now.

    Args:
        reach: the queue.
        before: the last look, for the rates.
    """
    now = Look(now_ms(), reach.do(STATUS, Nothing()))
    if before is None:
        return now
    elapsed_s = max(now.at_ms - before.at_ms, 1) / 1000
    for name, earlier in before.statuses.items():
        if name in now.statuses:
            delivered = now.statuses[name].delivered - earlier.delivered
            now.statuses[name] = replace(now.statuses[name], delivered_per_s=round(delivered / elapsed_s, 1))
    return now


def in_one_line(name: str, status: Status) -> str:
    """All that matters of a destination."""
    state = f"PAUSED ({status.paused.reason})" if status.paused else status.state
    return (
        f"{name}: {state} · delivered {status.delivered:,} · waiting {status.pending:,} · dead letters {status.dead:,}"
    )


def measures(status: Status) -> dict[str, object]:
    """For people: name and amount."""
    age_s, rate, fits = status.oldest_age_s, status.delivered_per_s, status.fits
    others = sorted(name for name in set(status.counters) - set(SUMS) if not is_bucket(name))
    size = {"fits into a request": f"{fits.events:,} events, {fits.bytes or 0:,} bytes"} if fits.events else {}
    return {
        "state": status.state,
        **({} if rate is UNSET else {"delivered/s": f"{rate:,.0f}"}),
        "waiting entries": status.entries,
        "oldest": "-" if age_s is None else shown_duration(age_s),
        "dead": status.dead,
        "drains": status.drains,
        "requests at once": status.concurrency,
        **size,
        "request p50/p95/p99": _shown_quantiles(status.request_ms),
        "delivered after p50/p95/p99": _shown_quantiles(status.deliver_ms),
        **{name: status.counters.get(name, 0) for name in (*SUMS, *others)},
    }


def _shown_quantiles(found: dict[str, float] | None) -> str:
    return "/".join(_shown_ms(value) for value in found.values()) if found else "-"


def _shown_ms(value: float) -> str:
    return f"{value:.0f}ms" if value < 1_000 else shown_duration(value / 1000)  # noqa: PLR2004 - a second


def _print(now: Look, *, as_json: bool) -> None:
    if as_json:
        json_out(now.as_json())
        return
    table_out(*_table(now))
    for note in _pauses(now):
        line(note)


def _table(now: Look) -> tuple[list[str], Iterator[list[object]]]:
    """A column per destination, a row per measure."""
    columns = [measures(status) for status in now.statuses.values()]
    names = list(dict.fromkeys(name for column in columns for name in column))
    rows = ([name, *(column.get(name, 0) for column in columns)] for name in names)
    return ["", *now.statuses], rows


def _pauses(now: Look) -> Iterator[str]:
    for name, status in now.statuses.items():
        if status.paused is not None:
            until_ms = status.paused.until_ms
            end = f"`forwarder resume {name}`" if until_ms is None else shown_moment(until_ms)
            yield f"{name} is paused since {shown_moment(status.paused.since_ms)} until {end}: {status.paused.reason}"


def _looks(reach: Reach, wait: Callable[[float], None]) -> Iterator[tuple[Look, str]]:
    """A look each second; while nobody answers the last one once more, and why. Raises when the first one fails."""
    now, trouble = look(reach), ""
    while True:
        yield now, trouble
        wait(REFRESH_S)
        try:
            now, trouble = look(reach, now), ""
        except ForwarderError as error:
            trouble = f"{error}; trying again"


def _live(reach: Reach, wait: Callable[[float], None]) -> None:
    """In place, on a terminal."""
    from rich.console import Group  # noqa: PLC0415 - only for people
    from rich.live import Live  # noqa: PLC0415 - as above
    from rich.text import Text  # noqa: PLC0415 - as above

    with Live(console=console(), auto_refresh=False, screen=False) as live:
        for now, trouble in _looks(reach, wait):
            notes = [Text(printable(note)) for note in (*_pauses(now), trouble) if note]
            live.update(Group(rich_table(*_table(now)), *notes), refresh=True)


def _stream(reach: Reach, wait: Callable[[float], None], *, as_json: bool) -> None:
    """In a pipe: one JSON object per line, or one table after another."""
    for now, trouble in _looks(reach, wait):
        if trouble:
            say(f"error: {trouble}")
        elif as_json:
            sys.stdout.write(json.dumps(now.as_json()) + "\n")
        else:
            _print(now, as_json=False)
        sys.stdout.flush()
