"""Events as the benchmarks send them: valid, numbered, padded to a size."""

from forwarder.feedback import codec

TEXT = "a comment as people write them " * 40


def body_of(events: int, event_bytes: int) -> bytes:
    """So many events of about so many bytes: an array, or one event alone."""
    made = [event_of(number, event_bytes) for number in range(events)]
    return made[0] if events == 1 else b"[" + b",".join(made) + b"]"


def event_of(number: int, event_bytes: int) -> bytes:
    """One of them."""
    event = {"trace_id": f"trace-{number:010d}", "value": 5, "weight": 0.5, "metadata": {"_user": "u17"}, "text": ""}
    bare = len(codec().encode(event))
    return codec().encode(event | {"text": TEXT[: max(0, event_bytes - bare)]})
