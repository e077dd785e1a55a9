from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.exceptions import AuthenticationError, BusyLoadingError, OutOfMemoryError, ResponseError
from redis.exceptions import ConnectionError as RedisConnectionError

from forwarder.errors import ForwarderError, QueueFull, QueueUnavailable
from forwarder.queue.address import masked
from forwarder.queue.connection import control_url, queue_url, shown
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import Settings

SAFE = "ABCDEFGHabcdefgh0123456789_-!$'()+,;=~.%"


@pytest.mark.parametrize(
    ("url", "shown_as"),
    [
        ("redis://host:6379/0", "redis://host:6379/0"),
        ("redis://user@host", "redis://user@host"),
        ("redis://:hunter2@host", "redis://:***@host"),
        ("redis://user:hunter2@host:1/2", "redis://user:***@host:1/2"),
        ("rediss://user:hun@ter2@host", "rediss://user:***@host"),
        ("redis://user:hun:ter2@host", "redis://user:***@host"),
        ("redis://host?password=hunter2", "redis://host?password=***"),
        ("unix:///run/r.sock?db=1&password=hunter2&x=1", "unix:///run/r.sock?db=1&password=***&x=1"),
        ("unix://user:hunter2@/run/r.sock", "unix://user:***@/run/r.sock"),
        ("unix:///run/valkey.sock", "unix:///run/valkey.sock"),
        ("embedded", "embedded"),
        ("redis+sentinel://user:hunter2@a:1,b/main/0", "redis+sentinel://user:***@a:1,b/main/0"),
        ("redis+sentinel://a/main?sentinel_password=hunter2&x=1", "redis+sentinel://a/main?sentinel_password=***&x=1"),
    ],
)
def test_a_url_is_shown_without_its_password(url: str, shown_as: str) -> None:
    assert masked(url) == shown_as


@given(st.text(SAFE, max_size=4), st.text(SAFE + "@:", min_size=8, max_size=12))
def test_no_password_survives_the_mask(user: str, password: str) -> None:
    for url in (f"redis://{user}:{password}@h:6379/0", f"unix:///s?password={password}"):
        assert password not in masked(url)


def test_the_embedded_queue_is_the_socket_in_the_data_folder(tmp_path: Path) -> None:
    settings = Settings(data_dir=tmp_path)
    assert queue_url(settings) == f"unix://{tmp_path}/valkey/valkey.sock"


def test_rq_lives_with_the_queue_unless_told_otherwise() -> None:
    assert control_url(Settings(redis_url="redis://a")) == "redis://a"
    assert control_url(Settings(redis_url="redis://a", control_url="redis://b")) == "redis://b"


@pytest.mark.parametrize(
    ("raised", "kind", "mend"),
    [
        (OutOfMemoryError("OOM"), QueueFull, "maxmemory"),
        (AuthenticationError("WRONGPASS"), QueueUnavailable, "FORWARDER_REDIS_URL"),
        (RedisConnectionError("refused"), QueueUnavailable, "FORWARDER_REDIS_URL"),
        (BusyLoadingError("loading"), QueueUnavailable, "FORWARDER_REDIS_URL"),
        (ResponseError("WRONGTYPE"), QueueUnavailable, "cannot do that: WRONGTYPE"),
    ],
)
def test_what_redis_raises_becomes_one_line_with_the_mend_and_without_the_password(
    raised: Exception, kind: type[ForwarderError], mend: str
) -> None:
    settings = Settings(redis_url="redis://user:hunter2@host")
    with pytest.raises(kind) as caught, queue_errors(settings):
        raise raised
    text = str(caught.value)
    assert shown(settings) in text
    assert mend in text
    assert "hunter2" not in text
    assert "\n" not in text


def test_an_embedded_queue_that_is_away_is_mended_by_forwarder_up(tmp_path: Path) -> None:
    with pytest.raises(QueueUnavailable, match="forwarder up"), queue_errors(Settings(data_dir=tmp_path)):
        raise RedisConnectionError("no socket")


def test_other_errors_are_not_touched() -> None:
    with pytest.raises(KeyError), queue_errors(Settings()):
        raise KeyError("ours")
