"""Events as the benchmarks send them: numbered and padded to a size, or as people would have made them (pure)."""

import random
import uuid
from collections.abc import Iterator
from typing import Any, Final

from forwarder.feedback import codec

TEXT: Final = "a comment as people write them " * 40
COMMENTED: Final = 0.5
SAID: Final = """the answer is what I was looking for but it took a while and then made something up about our refund
policy please be more brief next time thanks wrong customer number spot on great help with my invoice not true"""
WORDS: Final = SAID.split()


def body_of(events: int, event_bytes: int) -> bytes:
    """So many events of about so many bytes: an array, or one event alone."""
    made = [event_of(number, event_bytes) for number in range(events)]
    return made[0] if events == 1 else b"[" + b",".join(made) + b"]"


def event_of(number: int, event_bytes: int) -> bytes:
    """One of them."""
    event = {"trace_id": f"trace-{number:010d}", "value": 5, "weight": 0.5, "metadata": {"_user": "u17"}, "text": ""}
    bare = len(codec().encode(event))
    return codec().encode(event | {"text": TEXT[: max(0, event_bytes - bare)]})


def written(count: int) -> Iterator[dict[str, Any]]:
    """Events as people make them, each another, of about 120 bytes; always the same ones.

    A random trace id, one of 5,000 users, mostly thumbs up, and now and then a comment in somebody's own words.
    """
    chance = random.Random(1)  # noqa: S311 - no secret
    for _ in range(count):
        event = {
            "trace_id": str(uuid.UUID(int=chance.getrandbits(128), version=4)),
            "value": chance.choices((1, -1, 5, -5, 10), (60, 20, 10, 5, 5))[0],
            "metadata": {"_user": f"user-{chance.randrange(5_000)}"},
        }
        if chance.random() < COMMENTED:
            event["text"] = " ".join(chance.choices(WORDS, k=chance.randrange(4, 13)))
        yield event
