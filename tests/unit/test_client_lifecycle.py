"""The end of a process, as the clients in it see it."""

from collections.abc import Iterator

import pytest

from forwarder.client import lifecycle


class Held:
    """Somebody who holds events, and may fail to bring them to safety."""

    has_pending = True

    def __init__(self, *, fails: bool = False) -> None:
        self._fails = fails

    def finish(self, timeout_s: float) -> None:
        assert timeout_s <= 1
        if self._fails:
            raise RuntimeError("a defect")
        self.has_pending = False

    def end_threads(self) -> None:
        """There are none."""


@pytest.fixture
def holders() -> Iterator[list[Held]]:
    holders = [Held(fails=True), Held(), Held(fails=True), Held()]
    for holder in holders:
        lifecycle.watch(holder, bound_s=1)
    yield holders
    for holder in holders:
        lifecycle.forget(holder)


def test_one_that_fails_keeps_no_other_from_its_end(holders: list[Held], caplog: pytest.LogCaptureFixture) -> None:
    lifecycle.finish_all()

    assert [holder.has_pending for holder in holders] == [True, False, True, False]
    assert len(caplog.records) == 2
