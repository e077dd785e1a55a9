"""What `pause` and `resume` do."""

from forwarder.cli.context import open_queue
from forwarder.cli.output import json_out, line
from forwarder.queue.pause import end_pause, get_pause, set_pause
from forwarder.queue.scripts import run
from forwarder.times import parse_duration_s, shown_moment


def pause(destination: str, reason: str, duration: str | None, *, as_json: bool) -> None:
    """Pause a destination, for so long or until it is resumed."""
    seconds = None if duration is None else parse_duration_s(duration)
    with open_queue() as queue:
        keys = queue.keys(destination)
        run(queue.client, set_pause(keys, reason, seconds))
        begun = get_pause(queue.client, keys)
    until_ms = begun.until_ms if begun else None
    if as_json:
        json_out({"destination": destination, "paused": {"reason": reason, "until_ms": until_ms}})
        return
    end = f"`forwarder resume {destination}`" if until_ms is None else shown_moment(until_ms)
    line(f"{destination} is paused until {end}: {reason}")


def resume(destination: str, *, as_json: bool) -> None:
    """End a pause."""
    with open_queue() as queue:
        was_paused = run(queue.client, end_pause(queue.keys(destination)))
    if as_json:
        json_out({"destination": destination, "paused": None, "was_paused": was_paused})
    else:
        line(f"{destination} {'is resumed' if was_paused else 'was not paused'}")
