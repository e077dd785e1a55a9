"""The shared flow of a destination, its pause and its rate, against the real server."""

import asyncio
import contextlib
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from forwarder.queue.connection import connect, connect_async
from forwarder.queue.flow import Breaker, Flow, Opening, encode, exchange, read_flow
from forwarder.queue.keys import Keys
from forwarder.queue.pause import end_pause, get_pause, set_pause
from forwarder.queue.rate import book
from forwarder.queue.scripts import run
from forwarder.settings import Settings
from forwarder.upstream_settings import Upstream
from workers.rate import RateLimit
from workers.session import HandBack, Session

Redis = Any
KEYS = Keys()
WITHIN_S = 60
OPEN = Opening("the upstream fails", "upstream", 30_000)


@pytest.fixture
def client(settings: Settings) -> Redis:
    return connect(settings)


def state(run_of_failures: int) -> bytes:
    return encode(Flow(breaker=Breaker(run=run_of_failures)))


def test_a_state_replaces_the_one_that_was_read_and_no_other(client: Redis) -> None:
    first = run(client, exchange(KEYS, b"", state(1), None))
    assert (first.swapped, first.raw) == (True, state(1))
    late = run(client, exchange(KEYS, b"", state(2), OPEN))
    assert (late.swapped, late.raw, late.pause) == (False, state(1), None), "not even the pause is set"
    assert run(client, exchange(KEYS, state(1), state(2), None)).swapped
    assert read_flow(client, KEYS).breaker.run == 2
    assert 0 < client.pttl(KEYS.flow) <= 7 * 86_400_000


def test_reading_changes_nothing(client: Redis) -> None:
    before = time.time() * 1000
    read = run(client, exchange(KEYS, None, b"", None))
    assert (read.swapped, read.raw) == (False, b"")
    assert abs(read.now_ms - before) < 60_000
    assert client.keys("*") == []


def test_a_state_that_is_not_ours_is_begun_anew(client: Redis) -> None:
    client.set(KEYS.flow, b"\xff{")
    assert read_flow(client, KEYS) == Flow()


def test_a_pause_is_set_with_the_state_and_ends_by_itself(client: Redis) -> None:
    pause = run(client, exchange(KEYS, b"", state(1), OPEN)).pause
    assert pause
    assert (pause.reason, pause.kind) == ("the upstream fails", "upstream")
    assert pause.until_ms == pause.since_ms + 30_000
    assert 29_000 < client.pttl(KEYS.pause) <= 30_000


def test_a_pause_is_prolonged_and_never_shortened(client: Redis) -> None:
    first = run(client, exchange(KEYS, b"", state(1), OPEN)).pause
    shorter = Opening("HTTP 429: the upstream asks to wait 1 s", "upstream", 1_000)
    second = run(client, exchange(KEYS, state(1), state(2), shorter)).pause
    assert second == first
    longer = run(client, exchange(KEYS, state(2), state(3), Opening("HTTP 401", "settings", 60_000))).pause
    assert first
    assert longer
    assert (longer.reason, longer.kind, longer.since_ms) == ("HTTP 401", "settings", first.since_ms)
    assert 59_000 < client.pttl(KEYS.pause) <= 60_000


def test_a_pause_by_hand_stays_whatever_the_upstream_does(client: Redis) -> None:
    assert get_pause(client, KEYS) is None
    assert run(client, set_pause(KEYS, "maintenance", None))
    run(client, exchange(KEYS, b"", state(1), OPEN))
    pause = get_pause(client, KEYS)
    assert pause
    assert (pause.reason, pause.until_ms, pause.kind) == ("maintenance", None, "hand")
    assert client.ttl(KEYS.pause) == -1
    assert not run(client, end_pause(KEYS, "settings"))
    assert run(client, end_pause(KEYS))
    assert not run(client, end_pause(KEYS))


def test_a_pause_by_hand_replaces_any_other(client: Redis) -> None:
    run(client, exchange(KEYS, b"", state(1), OPEN))
    run(client, set_pause(KEYS, "by hand", 5))
    pause = get_pause(client, KEYS)
    assert pause
    assert (pause.reason, pause.kind) == ("by hand", "hand")
    assert 4_000 < client.pttl(KEYS.pause) <= 5_000


def test_the_flow_works_on_a_server_without_memory(client: Redis) -> None:
    client.config_set("maxmemory", 1)
    try:
        assert run(client, exchange(KEYS, b"", state(1), OPEN)).pause
        assert run(client, book(KEYS, 10, None, 1)) == 0
    finally:
        client.config_set("maxmemory", 0)


def test_requests_are_booked_at_the_rate_whoever_books(client: Redis, settings: Settings) -> None:
    """Eight threads book 200 requests in all: the moments they get are those of one line, none before its time."""
    moments: list[float] = []

    def drain() -> None:
        mine = connect(settings)
        for _ in range(25):
            began = time.monotonic()
            wait_s = run(mine, book(KEYS, 100, None, 1))
            moments.append(began + wait_s)
        mine.close()

    threads = [threading.Thread(target=drain) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    waits = sorted(moments)
    assert len(waits) == 200
    assert waits[-1] - waits[0] >= 199 * 0.01 - 0.1
    last = int(client.hget(KEYS.rate, "request"))
    assert run(client, book(KEYS, 100, None, 1)) <= (last - int(time.time() * 1e6)) / 1e6 + 0.1


def test_events_are_booked_by_their_number_after_one_request_at_once(client: Redis) -> None:
    assert run(client, book(KEYS, None, 1_000, 500)) == 0
    assert 0.4 < run(client, book(KEYS, None, 1_000, 2_000)) <= 0.5
    assert 2.4 < run(client, book(KEYS, None, 1_000, 1)) <= 2.5


def test_the_stricter_of_two_rates_decides(client: Redis) -> None:
    run(client, book(KEYS, 1, 1_000, 10))
    assert 0.9 < run(client, book(KEYS, 1, 1_000, 5_000)) <= 1.0
    assert 5.8 < run(client, book(KEYS, 1, 1_000, 1)) <= 6.0


def test_nobody_books_a_moment_while_another_waits_for_its_own(client: Redis, settings: Settings) -> None:
    """What is booked when the session ends is lost, so it is one request's moment at most."""
    booked: list[bytes] = []

    async def scene() -> None:
        async with contextlib.aclosing(connect_async(settings)) as own:
            session = Session("default", 0, "a", idle_s=60, longest_s=60)
            rate = RateLimit(own, KEYS, session, Upstream(rate_requests_per_s=0.001))

            async def next_one() -> None:
                async with rate.turn(1):
                    pytest.fail("its moment is far off")

            async with rate.turn(1):
                booked.append(client.hget(KEYS.rate, "request"))
                waiting = asyncio.create_task(next_one())
                await asyncio.sleep(0)  # it has begun
                session.end("a test's")
            with pytest.raises(HandBack):
                await waiting

    asyncio.run(scene())
    assert booked == [client.hget(KEYS.rate, "request")]


def test_a_request_waits_for_its_moment_unless_the_session_ends(settings: Settings) -> None:
    async def scene() -> None:
        async with contextlib.aclosing(connect_async(settings)) as own:
            session = Session("default", 0, "a", idle_s=60, longest_s=60)
            rate = RateLimit(own, KEYS, session, Upstream(rate_requests_per_s=0.001))
            async with rate.turn(1):
                pass
            asyncio.get_running_loop().call_soon(session.end, "a test's")
            with pytest.raises(HandBack):
                async with rate.turn(1):
                    pytest.fail("its moment is far off")

    asyncio.run(scene())


def test_without_a_limit_nothing_is_asked_of_the_queue(settings: Settings, tmp_path: Path) -> None:
    nowhere = settings.model_copy(update={"redis_url": f"unix://{tmp_path / 'none.sock'}"})
    sent: list[int] = []

    async def scene() -> None:
        async with contextlib.aclosing(connect_async(nowhere)) as own:
            rate = RateLimit(own, KEYS, Session("default", 0, "a", idle_s=60, longest_s=60), Upstream())
            async with asyncio.timeout(WITHIN_S), rate.turn(1), rate.turn(1):
                sent.append(1)

    asyncio.run(scene())
    assert sent
