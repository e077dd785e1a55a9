"""The file of `--map-trace-id`: which trace id takes the place of which."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path

from forwarder.errors import UsageError
from forwarder.feedback import Codec
from forwarder.replaying.plan import check_trace_ids


def read_trace_ids(name: str, codec: Codec) -> dict[str, str]:
    """Old and new trace ids: of a JSON object, or of lines `old,new` (CSV; tabs in a `.tsv`).

    Raises:
        UsageError: it cannot be read, or a line is wrong; names the line.
    """
    try:
        text = Path(name).read_text("utf-8-sig")
    except OSError as error:
        raise UsageError(f"{name} cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UsageError(f"{name} is not UTF-8 text") from None
    pairs = _of_object(name, text) if name.endswith(".json") else _of_lines(name, text)
    return check_trace_ids(pairs, codec, name)


def _of_object(name: str, text: str) -> Iterator[tuple[int, str, str]]:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{name} is not JSON: {error}") from None
    if not isinstance(found, dict) or not all(isinstance(new, str) for new in found.values()):
        raise UsageError(f'{name} must be an object of texts: {{"old trace id": "new trace id"}}')
    for number, (old, new) in enumerate(found.items(), 1):
        yield number, old, new


def _of_lines(name: str, text: str) -> Iterator[tuple[int, str, str]]:
    rows = csv.reader(text.splitlines(), delimiter="\t" if name.endswith(".tsv") else ",", strict=True)
    try:
        for cells in rows:
            if not cells:
                continue
            if len(cells) != 2:  # noqa: PLR2004 - old and new
                raise UsageError(f"{name}:{rows.line_num}: write old,new; there are {len(cells)} cells")
            yield rows.line_num, cells[0], cells[1]
    except csv.Error as error:
        raise UsageError(f"{name}:{rows.line_num}: {error}") from None
