import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import InvalidSettings
from forwarder.feedback import codec, join
from forwarder.queue.caps import Caps
from forwarder.queue.codec import PLAIN, UnreadableBody
from forwarder.queue.columns import Columns
from forwarder.queue.forms import codec_for
from forwarder.queue.keys import Keys
from forwarder.queue.packing import HEAD, PACKED, UNPACKED_MAX_BYTES
from forwarder.queue.stream import CHUNK_MAX_BYTES, Raw, append, entry_of, opened, size_of
from forwarder.settings import load_settings
from tests.unit.samples import array, event, numbered
from workers.admit import admit
from workers.batch import Capacity, Load
from workers.singles import are_singles, may_follow

WRITER = codec_for(load_settings(queue_compression="zstd"))


@given(st.binary(max_size=3_000))
def test_what_was_packed_is_read_by_everybody_as_it_was(body: bytes) -> None:
    packed = WRITER.write(body)
    assert packed.startswith(HEAD)
    assert PLAIN.read(packed) == WRITER.read(packed) == body


def test_events_with_random_ids_take_at_most_40_bytes_each() -> None:
    ids = [uuid.UUID(int=number * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 2**128).hex for number in range(1, 501)]
    step = append(
        Keys(),
        join([event(one, text="good answer", weight=0.5) for one in ids]),
        chunk_id="c",
        source="",
        caps=Caps(),
    )
    (at,) = step.bodies
    body = step.args[at]
    assert isinstance(body, bytes)
    assert len(body) / 500 > 90
    assert len(WRITER.write(body)) / 500 <= 40


def test_a_packed_entry_travels_like_any_other_and_a_read_makes_room_for_it() -> None:
    events = numbered(50)
    raw: Raw = [b"1-1", [b"body", WRITER.write(array(*events)), b"v", b"2"]]
    load = admit(opened(object(), entry_of(raw)), codec(), Capacity(500, 1_048_576))
    assert isinstance(load, Load)
    assert load.members == join(events)
    assert size_of(raw) == CHUNK_MAX_BYTES
    assert not may_follow([raw] * 20)
    assert not are_singles(Columns((b"body", b"v"), [b"1-1"], [[raw[1][1]], [b"2"]]), codec(), Capacity(500, 1_048_576))


@pytest.mark.parametrize(
    "data",
    [b"", b"nonsense", PACKED.write(b"x" * 500)[:-1], PACKED.write(b"x" * 500) + b"more"],
    ids=["nothing", "nonsense", "torn", "more"],
)
def test_what_cannot_be_unpacked_is_said_and_not_guessed(data: bytes) -> None:
    with pytest.raises(UnreadableBody, match="compressed"):
        PLAIN.read(HEAD + b"\0" + data)


def test_a_bomb_is_not_unpacked() -> None:
    bomb = WRITER.write(b" " * (UNPACKED_MAX_BYTES + 1))
    assert len(bomb) < 10_000
    with pytest.raises(UnreadableBody):
        PLAIN.read(bomb)


def test_another_compression_is_refused_by_name() -> None:
    with pytest.raises(InvalidSettings, match="FORWARDER_QUEUE_COMPRESSION"):
        load_settings(queue_compression="lzma")
