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
            Refused: 415 for another type or coding; 413 when it is too large; 400 when it cannot be inflated.
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
        if coding not in _INFLATE:
            named = coding.decode("latin-1")[:40]
            message = f"content-encoding {named!r} is not known; gzip, zstd or none is taken"
            raise refuse(415, message, headers={"Accept-Encoding": "gzip, zstd"})
        try:
            plain = _INFLATE[coding](body, self._most + 1)
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


def _gunzip(body: bytes, most: int) -> bytes:
    """Inflate, one member after the other as RFC 1952 allows, but no further than `most` bytes."""
    plain = bytearray()
    while body and len(plain) < most:
        inflater = zlib.decompressobj(GZIP)
        plain += inflater.decompress(body, most - len(plain))
        if not inflater.eof and not inflater.unconsumed_tail and len(plain) < most:
            raise EOFError
        body = inflater.unused_data
    return bytes(plain)


def _unzstd(body: bytes, most: int) -> bytes:
    """The same for the frames of RFC 8878."""
    plain = bytearray()
    while body and len(plain) < most:
        inflater = ZstdDecompressor(options={DecompressionParameter.window_log_max: WINDOW_LOG_MAX})
        plain += inflater.decompress(body, most - len(plain))
        if not inflater.eof and inflater.needs_input:
            raise EOFError
        body = inflater.unused_data if inflater.eof else b""
    return bytes(plain)


_INFLATE: Final[dict[bytes, Callable[[bytes, int], bytes]]] = {
    b"gzip": _gunzip,
    b"x-gzip": _gunzip,
    b"zstd": _unzstd,
}
