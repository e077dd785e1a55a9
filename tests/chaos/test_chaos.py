"""A short chaos run: everything runs, much breaks, nothing is lost."""

import random
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.chaos.driver import chaos
from tests.chaos.faults import ALL, KINDS

SECONDS = 15
EVERY_S = 1.0
SEED = 97
"""Of a run that has much in it: a horse that is frozen beyond its lease, kills of everything, a full queue."""


@pytest.fixture
def folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:  # a short path: sockets are inside
        yield Path(folder)


@pytest.mark.parametrize("seed", [SEED, None], ids=["as ever", "as never before"])
def test_nothing_is_lost_whatever_breaks(folder: Path, seed: int | None) -> None:
    """To see a failure again: `python -m tests.chaos --seed N --minutes 0.25 --every 1`."""
    seed = random.SystemRandom().randrange(10**6) if seed is None else seed
    run = chaos(seed, SECONDS, folder, kinds=KINDS, every_s=EVERY_S)
    assert not run.failures, str(run)
    assert len({one.kind for one in run.history.struck}) >= 8
    assert run.evidence.sent.acknowledged


def test_a_run_on_a_cluster_comes_to_a_verdict(folder: Path) -> None:
    """No more than that: `make chaos CLUSTER=1` lasts long enough for nodes that die, and test_cluster.py kills one."""
    kinds = [ALL["primary-hand-over"], ALL["horse-kill"]]
    run = chaos(1, 4, folder, kinds=kinds, every_s=EVERY_S, on_cluster=True)
    assert not run.failures, str(run)
    assert run.evidence.sent.acknowledged
