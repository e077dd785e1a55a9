from forwarder.queue.keys import Keys
from forwarder.queue.pause import Pause, new_pause, read_pause, set_pause

KEYS = Keys()


def test_a_pause_lasts_as_long_as_asked() -> None:
    pause = new_pause("HTTP 401", 30)
    assert pause.until_ms == pause.since_ms + 30_000


def test_a_pause_by_hand_has_no_end() -> None:
    assert new_pause("maintenance", None).until_ms is None


def test_a_pause_is_written_with_its_reason_and_times_and_read_back_the_same() -> None:
    for pause in (Pause("HTTP 401: größer", 1_000, 31_000), Pause("by hand", 1_000, None)):
        reason, since, until, replace = set_pause(KEYS, pause, replace=True).args
        assert (replace, isinstance(reason, str)) == (1, True)
        fields = {b"reason": str(reason).encode(), b"since": str(since).encode(), b"until": str(until).encode()}
        assert read_pause(fields) == pause


def test_an_empty_hash_is_no_pause() -> None:
    assert read_pause({}) is None


def test_a_pause_is_one_for_all_partitions() -> None:
    step = set_pause(Keys(partition=4), Pause("r", 0, None), replace=False)
    assert list(step.keys) == ["feedback:{default}:pause"]
    assert step.read(0) is False
