"""What `pause` and `resume` do."""

import msgspec

from forwarder.cli.output import json_out, line
from forwarder.cli.reach import reached
from forwarder.operations.destinations import ToPause
from forwarder.operations.operator import Of
from forwarder.operations.table import PAUSE, RESUME
from forwarder.times import shown_moment


def pause(destination: str, reason: str, duration: str | None, *, as_json: bool) -> None:
    """Pause a destination, for so long or until it is resumed."""
    with reached() as reach:
        begun = reach.do(PAUSE, ToPause(destination=destination, reason=reason, duration=duration))
    if as_json:
        json_out(msgspec.to_builtins(begun))
        return
    until_ms = begun.paused.until_ms if begun.paused else None
    end = f"`forwarder resume {destination}`" if until_ms is None else shown_moment(until_ms)
    line(f"{destination} is paused until {end}: {reason}")


def resume(destination: str, *, as_json: bool) -> None:
    """End a pause."""
    with reached() as reach:
        ended = reach.do(RESUME, Of(destination=destination))
    if as_json:
        json_out(msgspec.to_builtins(ended))
    else:
        line(f"{destination} {'is resumed' if ended.was_paused else 'was not paused'}")
