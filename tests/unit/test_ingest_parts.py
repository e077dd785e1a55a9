"""The parts of the ingest that need no server: keys, bodies, ids, origins."""

import asyncio
import gzip
import hashlib
import json
import uuid
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.answers import Refused
from forwarder.errors import InvalidFeedback, InvalidSettings
from forwarder.feedback import codec
from forwarder.ids import FeedbackIds
from forwarder.ingest.asgi import Message, Receive
from forwarder.ingest.auth import Caller, Door, callers, check_exposure
from forwarder.ingest.body import MEMBERS_MAX, BodyReader, Disconnected
from forwarder.ingest.cors import Cors
from forwarder.ingest.errors import wrong
from forwarder.settings import load_settings
from tests.support.ingest import zstd_compress

JSON = {b"content-type": b"application/json"}
MOST = 1_000


def pieces(*parts: bytes, leaves: bool = False) -> Receive:
    """A body that comes in these pieces; the client may leave after them."""
    messages: list[Message] = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    if leaves:
        messages.append({"type": "http.disconnect"})
    else:
        messages[-1]["more_body"] = False
    coming = iter(messages)

    async def receive() -> Message:
        return next(coming)

    return receive


def read(*parts: bytes, leaves: bool = False, **headers: str) -> bytes:
    """What a reader of at most MOST bytes makes of it."""
    named = JSON | {name.replace("_", "-").encode(): value.encode() for name, value in headers.items()}
    return asyncio.run(BodyReader(MOST).read(named, pieces(*parts, leaves=leaves)))


def refusal(call: Callable[[], object]) -> tuple[int, str]:
    """The status and message with which it is refused."""
    with pytest.raises(Refused) as caught:
        call()
    reply = caught.value.reply
    return reply.status, json.loads(reply.body)["error"]["message"]


# Bodies


@given(st.lists(st.binary(max_size=200), min_size=1, max_size=5))
def test_a_body_is_the_sum_of_its_pieces(parts: list[bytes]) -> None:
    assert read(*parts) == b"".join(parts)


@pytest.mark.parametrize("parts", [[b"x" * 1_001], [b"x" * 400] * 3, [b"x"] * 1_001])
def test_a_body_beyond_the_limit_is_refused(parts: list[bytes]) -> None:
    status, message = refusal(lambda: read(*parts))
    assert (status, "FORWARDER_INGEST_BODY_MAX_BYTES is 1000" in message) == (413, True)


@pytest.mark.parametrize("length", ["1001", "9" * 30])
def test_a_length_beyond_the_limit_is_refused_before_anything_is_read(length: str) -> None:
    assert refusal(lambda: read(b"", content_length=length))[0] == 413


def test_a_client_that_leaves_is_not_answered() -> None:
    with pytest.raises(Disconnected):
        read(b'{"trace_id":', leaves=True)


@given(st.lists(st.binary(max_size=300), min_size=1, max_size=3), st.sampled_from(["gzip", "zstd"]))
def test_compressed_members_one_after_the_other_are_one_body(members: list[bytes], coding: str) -> None:
    compress = gzip.compress if coding == "gzip" else zstd_compress
    assert read(b"".join(compress(member) for member in members), content_encoding=coding) == b"".join(members)


@given(st.binary(max_size=900), st.integers(1, 20), st.sampled_from(["gzip", "zstd"]))
def test_a_cut_body_is_never_taken_for_a_whole_one(plain: bytes, missing: int, coding: str) -> None:
    packed = gzip.compress(plain) if coding == "gzip" else zstd_compress(plain)
    assert refusal(lambda: read(packed[: -min(missing, len(packed) - 1)], content_encoding=coding))[0] == 400


@pytest.mark.parametrize("compress", [gzip.compress, zstd_compress])
def test_a_bomb_is_refused_at_the_limit(compress: Callable[[bytes], bytes]) -> None:
    packed = compress(b" " * 500_000)
    assert len(packed) <= MOST
    assert refusal(lambda: read(packed, content_encoding="gzip" if compress is gzip.compress else "zstd"))[0] == 413


@given(st.binary(max_size=400), st.sampled_from(["gzip", "zstd"]))
def test_any_bytes_are_refused_or_inflated(body: bytes, coding: str) -> None:
    try:
        inflated = read(body, content_encoding=coding)
    except Refused as refused:
        status = refused.reply.status
    else:
        status = 202 if len(inflated) <= MOST else 500
    assert status in (202, 400, 413)


@pytest.mark.parametrize(("compress", "coding"), [(gzip.compress, b"gzip"), (zstd_compress, b"zstd")])
def test_a_body_of_very_many_members_is_refused_before_it_costs_anything(
    compress: Callable[[bytes], bytes], coding: bytes
) -> None:
    reader, headers = BodyReader(100_000), JSON | {b"content-encoding": coding}
    most = compress(b"1") * MEMBERS_MAX
    assert asyncio.run(reader.read(headers, pieces(most))) == b"1" * MEMBERS_MAX
    assert refusal(lambda: asyncio.run(reader.read(headers, pieces(most + compress(b"")))))[0] == 400


def test_a_checksum_that_is_wrong_is_found() -> None:
    packed = bytearray(gzip.compress(b'{"trace_id":"t1","value":1}'))
    packed[-8] ^= 1
    with pytest.raises(gzip.BadGzipFile):
        gzip.decompress(packed)
    assert refusal(lambda: read(bytes(packed), content_encoding="gzip"))[0] == 400


LIKE_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=10) | st.sampled_from(["t1", "0"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["trace_id", "value", "weight", "text", "metadata", "0", "1"]), inner, max_size=5
        )
    ),
    max_leaves=12,
).map(lambda value: json.dumps(value).encode())


@given(st.binary(max_size=400) | LIKE_JSON | LIKE_JSON.map(lambda body: body[:-1]))
def test_any_body_is_taken_or_refused_with_400_or_422(body: bytes) -> None:
    try:
        assert codec().parse(body).count > 0
    except InvalidFeedback as error:
        reply = wrong(body, error).reply
        assert reply.status in (400, 422)
        told = json.loads(reply.body)["error"]
        assert told["message"]
        assert reply.status == 422 or not _is_json(body) or "0" in json.loads(body)


def _is_json(body: bytes) -> bool:
    try:
        json.loads(body, parse_constant=lambda _: 1 / 0)
    except (ValueError, ZeroDivisionError):
        return False
    return True


# Keys


def test_a_key_may_be_given_plain_or_hashed_and_is_tied_to_what_was_set() -> None:
    settings = load_settings(
        destinations={"eu": {}},
        ingest_keys={
            "web": "web-key-1",
            "shop": {
                "key": "sha256:" + hashlib.sha256(b"shop-key-1").hexdigest(),
                "destination": "eu",
                "source": "checkout",
            },
            "nameless": {"key": "third-key", "source": ""},
        },
    )
    door = Door(callers(settings), None)
    assert door.admit({b"x-portkey-api-key": b"web-key-1"}) == Caller("default", "web")
    assert door.admit({b"authorization": b"bearer  shop-key-1 "}) == Caller("eu", "checkout")
    assert door.admit({b"x-portkey-api-key": b"third-key", b"authorization": b"Bearer web-key-1"}) == Caller()


@given(st.binary(max_size=50).filter(lambda key: key != b"web-key-1"))
def test_any_other_key_is_refused(offered: bytes) -> None:
    door = Door([(hashlib.sha256(b"web-key-1").digest(), 1)], None)
    for headers in ({b"x-portkey-api-key": offered}, {b"authorization": b"Bearer " + offered}):
        if offered.strip() != b"web-key-1":
            assert refusal(lambda headers=headers: door.admit(headers))[0] == 401  # type: ignore[misc] # bound early


@pytest.mark.parametrize("host", ["127.0.0.1", "127.1.2.3", "::1", "localhost"])
def test_without_keys_loopback_may_be_listened_on(host: str) -> None:
    check_exposure(load_settings(ingest_host=host))


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "192.0.2.1", "example.com"])  # noqa: S104 - refused
def test_without_keys_nothing_else_may(host: str) -> None:
    with pytest.raises(InvalidSettings, match="FORWARDER_INGEST_KEYS__NAME"):
        check_exposure(load_settings(ingest_host=host))
    check_exposure(load_settings(ingest_host=host, ingest_keys={"web": "web-key-1"}))


# Ids, origins


def test_ids_are_uuids_in_order_and_never_twice() -> None:
    ids = FeedbackIds()
    taken = [*ids.take(1), *ids.take(1_000), *ids.take(1), *FeedbackIds().take(2)]
    assert len(set(taken)) == len(taken) == 1_004
    assert taken[:1_002] == sorted(taken[:1_002])
    assert {uuid.UUID(one).version for one in taken} == {4}


def test_any_origin_may_be_let_in() -> None:
    cors = Cors(frozenset({"*"}))
    asked = {b"origin": b"https://a.example", b"access-control-request-method": b"POST"}
    assert cors.headers(asked)["Access-Control-Allow-Origin"] == "https://a.example"
    assert cors.preflight(asked)
    assert cors.preflight({b"origin": b"https://a.example"}) is None
    assert "Access-Control-Allow-Origin" not in cors.headers({})
