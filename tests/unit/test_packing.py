import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import InvalidSettings
from forwarder.feedback import codec, join
from forwarder.queue.caps import Caps
from forwarder.queue.keys import Keys
from forwarder.queue.packing import LEAST_BYTES, MAGIC, UNPACKED_MAX_BYTES, is_packed, pack, unpack
from forwarder.queue.stream import CHUNK_MAX_BYTES, append, entry_of, size_of
from forwarder.settings import load_settings
from tests.unit.samples import array, event, numbered
from workers.admit import admit
from workers.batch import Capacity, Load
from workers.singles import runs


def _packed(events: list[bytes]) -> bytes:
    step = append(Keys(), join(events), chunk_id="c", source="", caps=Caps(compression="zstd"))
    body = step.args[0]
    assert isinstance(body, bytes)
    return body


@given(st.binary(max_size=3_000))
def test_what_was_packed_is_unpacked_as_it_was(body: bytes) -> None:
    assert unpack(pack(body, "zstd")) == body or body.startswith(MAGIC)
    assert pack(body, "none") is body


def test_an_append_is_compressed_when_it_is_worth_it_and_only_when_asked() -> None:
    events = numbered(50)
    assert is_packed(_packed(events))
    assert unpack(_packed(events)) == array(*events)
    assert _packed([event()]) == event()
    assert len(event()) < LEAST_BYTES
    plain = append(Keys(), join(events), chunk_id="c", source="", caps=Caps())
    assert plain.args[0] == array(*events)


def test_events_with_random_ids_take_at_most_40_bytes_each() -> None:
    events = [
        event(uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128).hex, text="good answer", weight=0.5)
        for number in range(1, 501)
    ]
    packed = _packed(events)
    assert len(packed) / len(events) <= 40


def test_a_packed_entry_travels_like_any_other_and_a_read_makes_room_for_it() -> None:
    events = numbered(50)
    raw = [b"1-1", [b"body", _packed(events)]]
    load = admit(entry_of(raw), codec(), Capacity(500, 1_048_576))
    assert isinstance(load, Load)
    assert load.members == join(events)
    assert size_of(raw) == CHUNK_MAX_BYTES
    assert [single for single, _ in runs([raw] * 20, codec(), Capacity(500, 1_048_576))] == [False]


@pytest.mark.parametrize(
    "body",
    [MAGIC, MAGIC + b"nonsense", pack(b"x" * 500, "zstd")[:-1], pack(b"x" * 500, "zstd") + b"more"],
    ids=["nothing", "nonsense", "torn", "more"],
)
def test_what_cannot_be_unpacked_is_left_as_it_is(body: bytes) -> None:
    assert unpack(body) == body


def test_a_bomb_is_not_unpacked() -> None:
    bomb = pack(b" " * (UNPACKED_MAX_BYTES + 1), "zstd")
    assert len(bomb) < 10_000
    assert unpack(bomb) == bomb


def test_another_compression_is_refused_by_name() -> None:
    with pytest.raises(InvalidSettings, match="FORWARDER_QUEUE_COMPRESSION"):
        load_settings(queue_compression="lzma")
