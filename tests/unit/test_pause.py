from forwarder.queue.keys import Keys
from forwarder.queue.pause import Pause, read_pause, set_pause

KEYS = Keys()


def test_a_pause_is_asked_for_in_milliseconds_and_never_for_none_at_all() -> None:
    assert list(set_pause(KEYS, "HTTP 401", 1.5, replace=False).args) == ["HTTP 401", 1_500, 0]
    assert list(set_pause(KEYS, "HTTP 401", 0.0001, replace=True).args) == ["HTTP 401", 1, 1]
    assert list(set_pause(KEYS, "by hand", None, replace=True).args) == ["by hand", "", 1]


def test_a_pause_is_read_with_or_without_an_end() -> None:
    fields = {b"reason": "größer".encode(), b"since": b"1000"}
    assert read_pause(fields) == Pause("größer", 1_000, None)
    assert read_pause(fields | {b"until": b"31000"}) == Pause("größer", 1_000, 31_000)


def test_an_empty_hash_is_no_pause() -> None:
    assert read_pause({}) is None


def test_a_pause_is_one_for_all_partitions() -> None:
    step = set_pause(Keys(partition=4), "r", None, replace=False)
    assert list(step.keys) == ["feedback:{default}:pause"]
    assert step.read(0) is False
