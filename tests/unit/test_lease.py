from forwarder.queue.keys import Keys
from forwarder.queue.lease import PROMISE_TTL_S, Woken, keep, leave, new_token, take_back, wake

KEYS = Keys()


def test_a_wake_answers_the_slot_itself_not_its_position_among_the_asked() -> None:
    step = wake(KEYS, [2, 5], 10)
    assert list(step.keys) == [KEYS.events, KEYS.lease(2), KEYS.lease(5)]
    assert step.read([1, 1, b"9-0"]) == Woken(slot=5, first_taken=True, newest=b"9-0")


def test_a_wake_without_work_or_a_free_slot_takes_none() -> None:
    assert wake(KEYS, [0], 10).read([-1, 0, b"0-0"]) == Woken(slot=None, first_taken=False, newest=b"0-0")


def test_lives_are_told_to_redis_in_milliseconds() -> None:
    assert list(wake(KEYS, [0], 1.5, behind_ms=7).args) == [1_500, "forwarder", 7]
    assert list(keep(KEYS, 0, "token", 0.25).args) == ["token", 250]


def test_a_promise_lives_no_longer_than_a_lease_and_only_seconds() -> None:
    lives_ms = [wake(KEYS, [0], ttl_s).args[0] for ttl_s in (1, 600)]
    assert lives_ms == [1_000, PROMISE_TTL_S * 1_000]


def test_a_promise_is_taken_back_by_its_value() -> None:
    assert list(take_back(KEYS, 3).args) == ["promised", "forwarder", 1]


def test_a_lease_is_kept_and_given_back_by_its_token() -> None:
    assert list(leave(KEYS, 3, "token").keys) == [KEYS.lease(3), KEYS.events, KEYS.batches]
    assert list(leave(KEYS, 3, "token").args) == ["token", "forwarder", 1]
    assert list(leave(KEYS, 3, "token", in_order=False).args) == ["token", "forwarder", 0]
    assert (leave(KEYS, 3, "token").read(0), keep(KEYS, 3, "token", 1).read(1)) == (False, True)


def test_tokens_do_not_repeat() -> None:
    assert len({new_token() for _ in range(1_000)}) == 1_000
