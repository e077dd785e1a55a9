"""`make chaos MINUTES=10 [SEED=n] [CLUSTER=1]`: everything runs, everything breaks, nothing is lost."""

import argparse
import json
import random
import shutil
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from tests.chaos.driver import chaos
from tests.chaos.faults import ALL, KINDS, ON_CLUSTER
from tests.chaos.figures import figures
from tests.chaos.screen import report, watching

EVERY_S = 2.0


def main() -> int:
    """Run it and print what became of it; 0 when all is well."""
    given = _parser().parse_args()
    said, shown = Console(stderr=True, highlight=False), Console(highlight=False)
    again = f"make chaos SEED={given.seed}{' CLUSTER=1' if given.cluster else ''}"
    said.print(f"chaos for {given.minutes:g} minutes with seed {given.seed}; again: {again}")
    kinds = [ALL[name] for name in given.only] or (ON_CLUSTER if given.cluster else KINDS)
    seconds = given.minutes * 60
    folder = Path(tempfile.mkdtemp(prefix="chaos-"))  # a short path: sockets are inside
    with watching(said, seconds) as watch:
        run = chaos(
            given.seed, seconds, folder, kinds=kinds, every_s=given.every, on_cluster=given.cluster, watch=watch
        )
    found = figures(run)
    if found.failures:
        said.print(f"{run}\n\nall files are kept in {folder}\n", markup=False, soft_wrap=True)
    else:
        shutil.rmtree(folder)
    if given.json:
        shown.print_json(json.dumps(found.as_json()))
    else:
        shown.print(report(found))
    return 1 if found.failures else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="during which faults begin (10)")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="of a run to repeat")  # noqa: S311
    parser.add_argument("--every", type=float, default=EVERY_S, help="seconds from fault to fault, on average (2)")
    parser.add_argument("--only", action="append", default=[], choices=ALL, metavar="KIND", help="may be repeated")
    parser.add_argument("--cluster", action="store_true", help="with the queue on a Redis Cluster of six nodes")
    parser.add_argument("--json", action="store_true", help="print the figures as JSON")
    return parser


if __name__ == "__main__":
    sys.exit(main())
