from forwarder.queue.keys import Keys
from forwarder.queue.pause import Pause, read_pause, set_pause

KEYS = Keys()


def test_a_pause_is_asked_for_in_milliseconds_and_never_for_none_at_all() -> None:
    assert list(set_pause(KEYS, "HTTP 401", 1.5).args) == ["HTTP 401", 1_500]
    assert list(set_pause(KEYS, "HTTP 401", 0.0001).args) == ["HTTP 401", 1]
    assert list(set_pause(KEYS, "by hand", None).args) == ["by hand", ""]


def test_a_pause_is_read_with_or_without_an_end() -> None:
    fields = {b"reason": "größer".encode(), b"since": b"1000"}
    assert read_pause(fields) == Pause("größer", 1_000, None)
    until = fields | {b"until": b"31000", b"kind": b"upstream"}
    assert read_pause(until) == Pause("größer", 1_000, 31_000, "upstream")


def test_an_empty_hash_is_no_pause() -> None:
    assert read_pause({}) is None


def test_a_pause_is_one_for_all_partitions() -> None:
    step = set_pause(Keys(partition=4), "r", None)
    assert list(step.keys) == ["feedback:{default}:pause"]
    assert step.read(1) is True
