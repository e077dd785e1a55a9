"""How bodies stand on the queue."""

import base64
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from forwarder.errors import InvalidSettings
from forwarder.queue.codec import PLAIN, BodyCodec, UnreadableBody, attach, codec_of
from forwarder.queue.forms import codec_for
from forwarder.queue.scripts import Step, as_stored
from forwarder.queue.sealing import Sealed, key_id, parse_keys
from forwarder.queue.stream import Entry, opened
from forwarder.settings import load_settings

OLD, NEW = bytes(range(32)), bytes(range(32, 64))
BODY = b'[{"trace_id":"t","value":1,"text":"private"}]'


class Backwards:
    """A form of a few letters."""

    name = "backwards"

    def write(self, plain: bytes) -> bytes:
        return plain[::-1]

    def read(self, name: str, data: bytes) -> bytes | None:
        return data[::-1] if name == self.name else None


def text(*keys: bytes) -> str:
    return ",".join(base64.b64encode(key).decode() for key in keys)


def test_json_is_read_by_everybody_and_is_what_is_written_without_a_form() -> None:
    assert PLAIN.write(BODY) == BODY
    assert PLAIN.read(BODY) == BodyCodec([Sealed([OLD])]).read(BODY) == BODY


@given(st.binary(max_size=300))
def test_whatever_is_sealed_can_be_opened_and_only_then_be_read(body: bytes) -> None:
    codec = BodyCodec([Sealed([OLD])])
    sealed = codec.write(body)
    assert sealed.startswith(b"\0aesgcm:" + key_id(OLD).encode() + b"\0")
    assert codec.read(sealed) == body
    assert len(body) < 4 or body not in sealed


def test_forms_stand_upon_each_other_and_are_named_in_their_order() -> None:
    codec = BodyCodec([Backwards(), Sealed([OLD])])
    written = codec.write(BODY)
    assert written.startswith(b"\0backwards,aesgcm:" + key_id(OLD).encode() + b"\0")
    assert codec.read(written) == BODY
    assert written != codec.write(BODY), "no two are alike"
    assert BodyCodec([Backwards()]).write(BODY) == b"\0backwards\0" + BODY[::-1]
    with pytest.raises(UnreadableBody, match="'backwards'"):
        BodyCodec([Sealed([OLD])]).read(written)


def test_a_key_is_rotated_by_putting_the_new_one_before_the_old_one() -> None:
    of_old, of_both, of_new = (BodyCodec([Sealed(keys)]) for keys in ([OLD], [NEW, OLD], [NEW]))
    assert of_both.read(of_old.write(BODY)) == of_new.read(of_both.write(BODY)) == BODY
    with pytest.raises(UnreadableBody, match=f"sealed with key {key_id(OLD)}, which FORWARDER_QUEUE_KEY has not"):
        of_new.read(of_old.write(BODY))


@pytest.mark.parametrize("at", [-1, 30, 18, 12])
def test_what_was_changed_is_not_opened(at: int) -> None:
    codec = BodyCodec([Sealed([OLD])])
    sealed = bytearray(codec.write(BODY))
    sealed[at] ^= 1
    with pytest.raises(UnreadableBody):
        codec.read(bytes(sealed))


@pytest.mark.parametrize(
    "body", [b"\0", b"\0\0", b"\0aesgcm:\0", b"\0of tomorrow\0data", b"\0" + b"x" * 200, b"\0a\0b", b"\0\xff\0b"]
)
def test_a_form_that_is_not_known_is_told(body: bytes) -> None:
    for codec in (PLAIN, BodyCodec([Sealed([OLD])])):
        with pytest.raises(UnreadableBody):
            codec.read(body)


# Steps and entries


class Client:
    """Whatever is attached to."""


def step() -> Step[None]:
    return Step("append", ["key"], [1, BODY, "x"], lambda _: None, bodies=[1])


def test_a_step_of_a_client_without_forms_is_the_very_same() -> None:
    one = step()
    assert as_stored(Client(), one) is one
    assert codec_of(Client()) is PLAIN


def test_the_bodies_of_a_step_stand_as_its_client_says() -> None:
    client, one = Client(), step()
    attach(client, BodyCodec([Backwards()]))
    assert as_stored(client, one).args == [1, b"\0backwards\0" + BODY[::-1], "x"]
    assert one.args[1] == BODY, "it can be run again"


def entry(**fields: bytes) -> Entry:
    return Entry(b"1-1", {name.encode(): value for name, value in fields.items()})


def test_an_entry_of_an_older_version_is_read() -> None:
    client = Client()
    one = entry(body=BODY)
    assert opened(client, one) is one
    assert opened(client, entry(body=BODY, v=b"1")).body == BODY
    attach(client, BodyCodec([Backwards()]))
    assert opened(client, entry(body=b"\0backwards\0" + BODY[::-1], v=b"2")).body == BODY
    assert opened(client, one) is one


@pytest.mark.parametrize("version", [b"3", b"99", b"", b"two", b"9" * 40, b"-1", b"\xff"])
def test_an_entry_of_a_newer_version_or_of_none_is_not(version: bytes) -> None:
    with pytest.raises(UnreadableBody, match="of the wire format"):
        opened(Client(), entry(body=BODY, v=version))


def test_a_body_of_version_1_that_looks_like_a_form_is_what_its_producer_wrote() -> None:
    body = b"\0aesgcm:12345678\0"
    assert opened(Client(), entry(body=body)).body == body


# Settings


def test_no_key_no_form(tmp_path: Path) -> None:
    assert codec_for(load_settings()) is PLAIN
    (tmp_path / "keys").write_text(text(NEW) + "\n" + text(OLD) + "\n")
    codec = codec_for(load_settings(queue_key_file=tmp_path / "keys"))
    assert codec.read(BodyCodec([Sealed([OLD])]).write(BODY)) == BODY


@pytest.mark.parametrize("key", ["", "short", text(OLD)[:-3], text(OLD[:16]), f"{text(OLD)},x", "ü" * 44])
def test_what_is_no_key_is_refused_without_being_quoted(key: str) -> None:
    with pytest.raises(InvalidSettings, match=r"FORWARDER_QUEUE_KEY: .*openssl rand -base64 32") as refused:
        codec_for(load_settings(queue_key=key))
    assert not key or key not in str(refused.value)


def test_one_place_for_the_key_not_two(tmp_path: Path) -> None:
    with pytest.raises(InvalidSettings, match="both set"):
        load_settings(queue_key=text(OLD), queue_key_file=tmp_path / "keys")
    with pytest.raises(InvalidSettings, match=r"FORWARDER_QUEUE_KEY_FILE .* cannot be read: No such file"):
        codec_for(load_settings(queue_key_file=tmp_path / "keys"))


def test_keys_are_secrets_and_url_safe_base64_will_do() -> None:
    assert set(text(OLD, NEW).split(",")) <= set(load_settings(queue_key=text(OLD, NEW)).secrets)
    key = b"\xfb\xff" * 16
    assert parse_keys(base64.urlsafe_b64encode(key).decode()) == [key]
