"""The file of refused records: as they came, so that it can be mended and sent again."""

import time
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from forwarder.errors import ForwarderError
from forwarder.records import Refusal

FLAWS_SHOWN = 10


class RefusedFile:
    """Written to only when something is refused.

    Attributes:
        path: where it is; None while nothing was refused.
        count: how many records or events were refused.
        flaws: the first of them with their places.
    """

    def __init__(self, wanted: Path | None, suffix: str) -> None:
        """Decide nothing yet.

        Args:
            wanted: the path; None for one with the time in its name, in the current folder.
            suffix: the ending of such a name.
        """
        self.path: Path | None = None
        self.count = 0
        self.flaws: list[Refusal] = []
        self._wanted = wanted
        self._suffix = suffix
        self._file: BinaryIO | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: type[BaseException] | None, __: BaseException | None, ___: TracebackType | None) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, refused: list[Refusal], header: bytes | None) -> None:
        """Append what was refused.

        Args:
            refused: in the order of the input.
            header: what the file begins with, if anything.

        Raises:
            ForwarderError: the file cannot be written.
        """
        if not refused:
            return
        try:
            file = self._file or self._open(header)
            file.writelines(refusal.verbatim + b"\n" for refusal in refused)
        except OSError as error:
            raise ForwarderError(f"refused records cannot be written to {self.path}: {error.strerror}") from None
        self.count += len(refused)
        self.flaws += refused[: FLAWS_SHOWN - len(self.flaws)]

    def _open(self, header: bytes | None) -> BinaryIO:
        stem = f"refused-{time.strftime('%Y%m%d-%H%M%S')}"
        self.path = self._wanted or Path(f"{stem}.{self._suffix}")
        number = 1
        while self._wanted is None and self.path.exists():
            number += 1
            self.path = Path(f"{stem}-{number}.{self._suffix}")
        self._file = self.path.open("wb" if self._wanted else "xb")
        if header:
            self._file.write(header + b"\n")
        return self._file
