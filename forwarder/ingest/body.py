"""A request's body as plain bytes: the right content type, within its bounds, inflated."""

import zlib
from collections.abc import Callable
from typing import Final

from forwarder.answers import refuse
from forwarder.ingest.asgi import Headers, Message, Receive
from forwarder.zstd import DecompressionParameter, ZstdDecompressor, ZstdError

JSON: Final = b"application/json"
GZIP: Final = 16 + zlib.MAX_WBITS
"""Makes zlib want a gzip header and check the trailer."""

WINDOW_LOG_MAX: Final = 23
"""8 MiB: what RFC 8878 asks decoders to support; by default a frame of a few bytes may claim 128 MiB."""

MEMBERS_MAX: Final = 100
"""Of one body. What follows a member is copied to get at the next one: a body of tiny ones would take minutes."""


class Disconnected(Exception):
    """The client left before its body was whole; nobody waits for an answer."""


class BodyReader:
    """Reads bodies.

    Args:
        most: bytes of a body, both as sent and inflated.
    """

    def __init__(self, most: int) -> None:
        self._most = most

    async def read(self, headers: Headers, receive: Receive) -> bytes:
        """The body of a request.

        Raises:
            Refused: 415 for another type or coding; 413 when it is too large; 400 when it cannot be inflated, or has
                more than MEMBERS_MAX members.
            Disconnected: the client left.
        """
        if headers.get(b"content-type") != JSON:
            _require_json(headers.get(b"content-type", b""))
        announced = headers.get(b"content-length", b"")
        if len(announced) > 18 or (announced and int(announced) > self._most):  # noqa: PLR2004 - an exabyte
            raise self._too_large()
        message = await receive()
        body: bytes = message.get("body", b"") if not message.get("more_body") else await self._rest(message, receive)
        if message["type"] == "http.disconnect":
            raise Disconnected
        if len(body) > self._most:
            raise self._too_large()
        coding = headers.get(b"content-encoding")
        return body if coding is None else self._inflated(body, coding.strip().lower())

    async def _rest(self, message: Message, receive: Receive) -> bytes:
        """A body that comes in pieces, from its first message on."""
        body = bytearray(message["body"])
        while message.get("more_body"):
            if len(body) > self._most:
                raise self._too_large()
            message = await receive()
            body += message.get("body", b"")
        if message["type"] == "http.disconnect":
            raise Disconnected
        return bytes(body)

    def _inflated(self, body: bytes, coding: bytes) -> bytes:
        if coding in (b"", b"identity"):
            return body
        if coding not in _ONE_MEMBER:
            named = coding.decode("latin-1")[:40]
            message = f"content-encoding {named!r} is not known; gzip, zstd or none is taken"
            raise refuse(415, message, headers={"Accept-Encoding": "gzip, zstd"})
        try:
            plain = _all_members(body, self._most + 1, _ONE_MEMBER[coding])
        except (zlib.error, ZstdError, EOFError):
            raise refuse(400, f"the body is not {coding.decode()}, as its content-encoding says, or is cut") from None
        if len(plain) > self._most:
            raise self._too_large()
        return plain

    def _too_large(self) -> Exception:
        return refuse(413, f"the body is too large; FORWARDER_INGEST_BODY_MAX_BYTES is {self._most}, also inflated")


def _require_json(content_type: bytes) -> None:
    kind, *parameters = (part.strip() for part in content_type.lower().split(b";"))
    if kind != JSON:
        named = repr(kind.decode("latin-1")[:80]) if kind else "missing"
        raise refuse(415, f"the content-type is {named}; send application/json", headers={"Accept": "application/json"})
    for parameter in parameters:
        name, _, value = parameter.partition(b"=")
        if name.strip() == b"charset" and value.strip(b' "') not in (b"utf-8", b"utf8", b"us-ascii"):
            raise refuse(415, "the charset of the content-type must be utf-8", headers={"Accept": "application/json"})


OneMember = Callable[[bytes, int], tuple[bytes, bytes]]
"""Inflates the first member of a body, but no further than so many bytes; answers what is in it, and what follows it.

Raises EOFError when it is cut, and the coding's own error when it is damaged.
"""


def _all_members(body: bytes, most: int, one: OneMember) -> bytes:
    """All members one after the other, as both codings allow, but no further than `most` bytes."""
    plain = bytearray()
    for _ in range(MEMBERS_MAX):
        if not body or len(plain) >= most:
            return bytes(plain)
        inflated, body = one(body, most - len(plain))
        plain += inflated
    if body and len(plain) < most:
        raise refuse(400, f"the body has more than {MEMBERS_MAX} compressed members; compress it as one")
    return bytes(plain)


def _gunzip_one(body: bytes, most: int) -> tuple[bytes, bytes]:
    """A member as RFC 1952 has it."""
    inflater = zlib.decompressobj(GZIP)
    plain = inflater.decompress(body, most)
    if not inflater.eof and not inflater.unconsumed_tail and len(plain) < most:
        raise EOFError
    return plain, inflater.unused_data


def _unzstd_one(body: bytes, most: int) -> tuple[bytes, bytes]:
    """A frame as RFC 8878 has it."""
    inflater = ZstdDecompressor(options={DecompressionParameter.window_log_max: WINDOW_LOG_MAX})
    plain = inflater.decompress(body, most)
    if not inflater.eof and inflater.needs_input:
        raise EOFError
    return plain, inflater.unused_data if inflater.eof else b""


_ONE_MEMBER: Final[dict[bytes, OneMember]] = {b"gzip": _gunzip_one, b"x-gzip": _gunzip_one, b"zstd": _unzstd_one}
