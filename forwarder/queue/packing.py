"""Bodies compressed with zstd while they wait: a long backlog takes a third of the memory, or less.

A form of `codec`: every reader takes it, whatever it writes itself, so that who writes may change its mind.
"""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Final, Literal

from forwarder.errors import ForwarderError
from forwarder.extras import require
from forwarder.queue.codec import DamagedBody, UnreadableBody

Compression = Literal["none", "zstd"]

NAME: Final = "zstd"
HEAD: Final = b"\0" + NAME.encode()
"""With which a body begins that was compressed, and perhaps sealed after that."""
LEVEL: Final = 1
"""Higher ones take several times the CPU for a tenth less."""
UNPACKED_MAX_BYTES: Final = 16_777_216
"""Nobody's append is longer; what claims to be is not unpacked."""
WINDOW_LOG_MAX: Final = 24


class Packed:
    """The form."""

    name = NAME

    def write(self, plain: bytes) -> bytes:
        """Compress."""
        packed: bytes = _zstd().compress(plain, LEVEL)
        return packed

    def read(self, name: str, data: bytes) -> bytes | None:
        """Unpack.

        Raises:
            UnreadableBody: the extra `zstd` is not installed.
            DamagedBody: it is torn, or too long.
        """
        if name != NAME:
            return None
        try:
            zstd = _zstd()
        except ForwarderError as error:
            raise UnreadableBody(f"it is compressed: {error}") from None
        inflater = zstd.ZstdDecompressor(options={zstd.DecompressionParameter.window_log_max: WINDOW_LOG_MAX})
        try:
            plain: bytes = inflater.decompress(data, UNPACKED_MAX_BYTES)
        except zstd.ZstdError as error:
            raise DamagedBody(f"it is compressed and damaged: {error}") from None
        if not inflater.eof or inflater.unused_data:
            raise DamagedBody("it is compressed, and damaged or longer than anything that we write")
        return plain


PACKED: Final = Packed()


@cache
def _zstd() -> ModuleType:
    require("zstd")
    return import_module("forwarder.zstd")
