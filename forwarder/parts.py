"""An array of events as slices of its bytes, without looking into them (pure)."""

import json
import re
from typing import Final

import msgspec

WHITESPACE: Final = b" \t\n\r"
UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding can raise: syntax or model, bytes that are not UTF-8, too deep."""

_NEXT = re.compile(r"[ \t\n\r]*(?:,[ \t\n\r]*|(?P<close>\])$)")
_raw_array = msgspec.json.Decoder(list[msgspec.Raw])
_scanner = json.JSONDecoder()


def raw_parts(body: bytes) -> list[bytes]:
    """The events of a body as slices of it, unvalidated; a body that is no array is one event.

    Raises:
        one of UNDECODABLE: the array's own syntax is wrong.
    """
    if not body.lstrip(WHITESPACE).startswith(b"["):
        return [body.strip(WHITESPACE)]
    try:
        return [bytes(raw) for raw in _raw_array.decode(body)]
    except UNDECODABLE as error:
        return _scanned_parts(body, error)


def _scanned_parts(body: bytes, error: Exception) -> list[bytes]:
    """The same with the standard library's scanner, for arrays that msgspec gives up on.

    It steps over NaN, lone surrogates and bytes that are not UTF-8, so that one such event does not condemn its
    neighbours. Read as Latin-1, offsets in the text are offsets in the bytes.
    """
    text = body.decode("latin-1").strip(" \t\n\r")
    parts, at = [], len(text) - len(text[1:].lstrip(" \t\n\r"))
    try:
        while True:
            _, end = _scanner.raw_decode(text, at)
            parts.append(text[at:end].encode("latin-1"))
            rest = _NEXT.match(text, end)
            if rest is None:
                raise error
            if rest["close"]:
                return parts
            at = rest.end()
    except (ValueError, IndexError, RecursionError):
        raise error from None
