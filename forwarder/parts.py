"""An array of events as slices of its bytes, without looking into them (pure)."""

import re
from typing import Final

import msgspec

WHITESPACE: Final = b" \t\n\r"
UNDECODABLE: Final = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)
"""What decoding can raise: syntax or model, bytes that are not UTF-8, too deep."""

_TOKENS = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["\[\]{},]', re.DOTALL)
"""What tells where an element ends: whole strings, brackets, commas; a quote alone is a string without an end."""

_raw_array = msgspec.json.Decoder(list[msgspec.Raw])


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
        return _scanned_parts(body.strip(WHITESPACE), error)


def longest_part(body: bytes) -> int:
    """The bytes of the longest event of a body that was decoded before."""
    if not body.lstrip(WHITESPACE).startswith(b"["):
        return len(body.strip(WHITESPACE))
    return max(map(len, _raw_array.decode(body)), default=0)


def _scanned_parts(array: bytes, error: Exception) -> list[bytes]:
    """The same by brackets, strings and commas alone, for arrays that msgspec gives up on.

    It steps over NaN, lone surrogates, control characters, bytes that are not UTF-8 and any depth, so that one such
    event does not condemn its neighbours.
    """
    parts: list[bytes] = []
    depth, begin = 0, 1
    for token in _TOKENS.finditer(array):
        kind = token[0]
        if kind in b"[{":
            depth += 1
        elif kind in b"]}":
            depth -= 1
        if (kind == b"," and depth == 1) or depth == 0:
            parts.append(array[begin : token.start()].strip(WHITESPACE))
            begin = token.end()
        if depth == 0 or kind == b'"':
            break
    if depth != 0 or begin != len(array) or array[-1:] != b"]" or not all(parts):
        raise error
    return parts
