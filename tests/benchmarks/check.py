"""`make bench-check`: has delivery become dearer? Ratios to the floor are compared with those that were noted.

Not part of `make test`: a ratio, too, wanders by a tenth on a busy machine, and says something of a change only when it
leaves the margin. `--note` writes the present ones down.
"""

import argparse
import json
import sys
from dataclasses import replace
from pathlib import Path
from typing import Final

from tests.benchmarks.delivery import CASES, Row, measured
from tests.benchmarks.queue import queue

BASELINE: Final = Path(__file__).with_name("baseline.json")
MARGIN: Final = 1.3
EVENTS: Final = 1_000_000
WATCHED: Final = ("500 per body", "2,000 per body", "one per entry")


def dearer(rows: list[Row], baseline: dict[str, float], margin: float = MARGIN) -> list[str]:
    """A line for each case that costs more than the margin allows, or that nobody has noted."""
    lines = []
    for row in rows:
        before = baseline.get(row.case)
        if before is None:
            lines.append(f"{row.case}: not in {BASELINE.name}; note it with `python -m tests.benchmarks.check --note`")
        elif row.ratio > before * margin:
            lines.append(f"{row.case}: {row.ratio:.2f} times the floor, {before:.2f} before")
    return lines


def main() -> int:
    """Measure what is watched; 1 when something has become dearer."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks.check", description=__doc__)
    parser.add_argument("--note", action="store_true", help="write the ratios down")
    note = parser.parse_args().note
    with queue() as settings:
        rows = [measured(settings, replace(case, events=EVENTS)) for case in CASES if case.name in WATCHED]
    for row in rows:
        sys.stdout.write(f"{row.case}: {row.ratio:.2f} times the floor ({row.cpu:.2f} CPU s per million)\n")
    if note:
        BASELINE.write_text(json.dumps({row.case: round(row.ratio, 2) for row in rows}, indent=2) + "\n")
        return 0
    found = dearer(rows, json.loads(BASELINE.read_text()))
    for line in found:
        sys.stderr.write(f"dearer: {line}\n")
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
