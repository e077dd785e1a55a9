"""One JSON array, however large and however it is laid out, or several values one after another.

Elements are found by the standard library's scanner, which steps over whatever an event must not hold, so that one bad
event does not condemn its neighbours. Latin-1 keeps its offsets in bytes.
"""

import json
import re
from collections.abc import Iterator

import msgspec

from forwarder.parts import UNDECODABLE
from forwarder.records.source import RECORD_MAX_BYTES, Source, UnreadableInput

_CUT_MARGIN = 16
"""An error this near to the end of what was read may be a token cut in two: `\\ud83d` and `-Infinity` are shorter."""

_SPACE = re.compile(r"[ \t\n\r]*")
_scanner = json.JSONDecoder(strict=False, parse_int=str, parse_float=str)


def elements(source: Source) -> Iterator[tuple[list[bytes], bool]]:
    """The elements, as many as each block completes, and whether more is slow to come.

    Raises:
        UnreadableInput: it is not JSON, an element is too long, or the input ends within the array.
    """
    scan = _Scan()
    for block in source:
        yield scan.feed(block), source.trickles
        scan.refuse_broken()
    yield scan.feed(b"", final=True), True
    scan.refuse_broken()
    if scan.inside:
        raise UnreadableInput(f"the input ends within its array, after event {scan.count:,}: is it complete?")


class _Scan:
    """How far the text has been taken apart.

    Attributes:
        count: the elements found so far.
        inside: whether an array is open.
    """

    def __init__(self) -> None:
        self.count = 0
        self.inside = False
        self._window = ""
        self._passed_bytes = 0
        self._comma_due = False
        self._error = ""

    def feed(self, block: bytes, *, final: bool = False) -> list[bytes]:
        """The elements that the block completes; `final` says that none follows."""
        self._window += block.decode("latin-1")
        found: list[bytes] = []
        at = 0
        while not self._error:
            at = _SPACE.match(self._window, at).end()  # type: ignore[union-attr]  # it matches everywhere
            if at == len(self._window):
                break
            if self._punctuation(at):
                at += 1
                continue
            end = self._element_end(at, final=final)
            if end is None:
                break
            found.append(_on_one_line(self._window[at:end].encode("latin-1")))
            at, self._comma_due = end, self.inside
        self.count += len(found)
        self._window = self._window[at:]
        self._passed_bytes += at
        return found

    def refuse_broken(self) -> None:
        """Raises what `feed` met behind the elements that it gave back."""
        if not self._error and len(self._window) > RECORD_MAX_BYTES:
            self._error = f"has more than {RECORD_MAX_BYTES:,} bytes"
        if self._error:
            raise UnreadableInput(
                f"event {self.count + 1:,} (byte {self._passed_bytes:,}) {self._error}: nothing from there on was "
                "read; if each line is a value of its own, say --format jsonl"
            )

    def _punctuation(self, at: int) -> bool:
        """Step over a bracket or comma, when one is there and may be."""
        sign = self._window[at]
        if not self.inside:
            self.inside = sign == "["
            self._comma_due = False
            return self.inside
        if sign == "]":
            self.inside = False
            return True
        if self._comma_due and sign == ",":
            self._comma_due = False
            return True
        return False

    def _element_end(self, at: int, *, final: bool) -> int | None:
        """Where the element ends; None when it is broken or not all there yet."""
        if self._comma_due:
            self._error = "is not JSON: a comma or the array's end was expected before it"
            return None
        try:
            _, end = _scanner.raw_decode(self._window, at)
        except json.JSONDecodeError as error:
            cut = error.msg.startswith("Unterminated string") or error.pos > len(self._window) - _CUT_MARGIN
            if final or not cut:
                self._error = f"is not JSON: {error.msg[0].lower()}{error.msg[1:]}"
            return None
        except RecursionError:
            self._error = "is nested too deeply"
            return None
        return int(end) if final or end < len(self._window) else None  # a number may go on


def _on_one_line(element: bytes) -> bytes:
    """An element without its layout: shorter on the wire, and one line should it be refused."""
    if b"\n" not in element:
        return element
    try:
        return bytes(msgspec.json.format(element, indent=-1))
    except UNDECODABLE:
        return element.replace(b"\r", b" ").replace(b"\n", b" ")  # a line break inside a string is not JSON anyhow
