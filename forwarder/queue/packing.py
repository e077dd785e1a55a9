"""Bodies on the queue, compressed where that is wanted: a long backlog takes a fraction of the memory.

A packed body is a zstd frame in the place of the JSON, and known by its first bytes, with which no JSON begins; so
readers take both forms at any time, and whoever writes may change its mind. What cannot be unpacked is left as it is,
and becomes a dead letter like any other body that is no JSON.
"""

import sys
from functools import cache
from typing import Any, Final, Literal

from forwarder.extras import require

Compression = Literal["none", "zstd"]

MAGIC: Final = b"\x28\xb5\x2f\xfd"
LEVEL: Final = 1
"""Higher ones take several times the CPU for a tenth less."""
LEAST_BYTES: Final = 200
"""A shorter body is left as it is."""
UNPACKED_MAX_BYTES: Final = 16_777_216
"""Nobody's append is longer; what claims to be is not unpacked."""
WINDOW_LOG_MAX: Final = 24


def pack(body: bytes, compression: Compression) -> bytes:
    """A body as it is put onto the queue."""
    if compression == "none" or len(body) < LEAST_BYTES:
        return body
    packed: bytes = _zstd().compress(body, LEVEL)
    return packed if len(packed) < len(body) else body


def is_packed(body: bytes) -> bool:
    """Whether it is a zstd frame."""
    return body.startswith(MAGIC)


def unpack(body: bytes) -> bytes:
    """A body as its producer wrote it.

    Raises:
        ForwarderError: it is packed, and the extra `zstd` is not installed.
    """
    if not is_packed(body):
        return body
    zstd = _zstd()
    inflater = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX})
    try:
        plain: bytes = inflater.decompress(body, UNPACKED_MAX_BYTES)
    except zstd.ZstdError:
        return body
    return plain if inflater.eof and not inflater.unused_data else body


@cache
def _zstd() -> Any:  # noqa: ANN401 - a module under one of two names
    require("zstd")
    if sys.version_info >= (3, 14):
        from compression import zstd  # noqa: PLC0415 - an extra
    else:
        from backports import zstd  # noqa: PLC0415
    return zstd
