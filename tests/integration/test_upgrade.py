"""Releases follow each other while events come in: the older wire format is read, a newer one is left alone."""

import base64
import itertools
import json
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from forwarder.queue.codec import WIRE
from tests.integration.conftest import StartRig
from tests.support.rig import Rig
from tests.support.waiting import eventually

NEWER = """
import runpy
from forwarder.queue import stream
stream.WIRE += 1
runpy.run_module("workers", run_name="__main__")
"""
"""A worker of the release after this one, which reads one version more."""


@contextmanager
def load(rig: Rig, prefix: str, *, raw: bool) -> Iterator[list[str]]:
    """A producer at work; the trace ids that Redis has acknowledged.

    Args:
        rig: whose queue it sends to, with the settings of this moment.
        prefix: of the trace ids.
        raw: by plain XADD, as version 1 has it and any program may.
    """
    sent: list[str] = []
    ended = threading.Event()
    client = rig.client()

    def produce() -> None:
        for number in itertools.count():
            names = [f"{prefix}-{number}-{at}" for at in range(20)]
            events = [{"trace_id": name, "value": 1} for name in names]
            if raw:
                rig.redis.xadd(rig.keys.events, {"body": json.dumps(events)})
            else:
                client.send_many(events)
            sent.extend(names)
            if ended.wait(0.005):
                return

    thread = threading.Thread(target=produce)
    thread.start()
    try:
        yield sent
    finally:
        ended.set()
        thread.join()
        client.close()


def test_workers_are_upgraded_under_load_with_the_previous_wire_format_on_the_queue(start_rig: StartRig) -> None:
    """First the workers get the new release, here: the key; then the producers, whose entries are of version 2."""
    rig = start_rig()
    first = rig.start_worker()
    with load(rig, "plain", raw=True) as raw, load(rig, "client", raw=False) as old:
        assert eventually(lambda: rig.books()["delivered"] > 500, 60)
        rig.variables["FORWARDER_QUEUE_KEY"] = base64.b64encode(b"k" * 32).decode()
        rig.start_worker()
        first.terminate()
        assert first.wait(60) == 0
        with load(rig, "new", raw=False) as new:
            assert eventually(lambda: len(new) > 500 and rig.books()["delivered"] > len(old), 60)
            before = rig.books()["delivered"]
            assert eventually(lambda: rig.books()["delivered"] > before + 500, 60)
    rig.assert_everything_arrived(len(raw) + len(old) + len(new))
    assert not rig.logged("entry_not_read")
    assert rig.dead() == []


@pytest.mark.parametrize("version", [WIRE + 1, "x"])
def test_an_entry_of_a_newer_release_is_told_and_left_and_its_neighbours_are_delivered(
    rig: Rig, version: int | str
) -> None:
    entry = rig.redis.xadd(rig.keys.events, {"body": '{"trace_id":"tomorrow","value":1}', "v": version})
    rig.client().send_many([{"trace_id": f"t{number}", "value": 1} for number in range(10)])
    worker = rig.start_worker()
    assert eventually(lambda: rig.books()["delivered"] == 10, 60)
    assert eventually(lambda: rig.logged("entry_not_read"), 60)
    assert f"of version {version} of the wire format, and this release reads {WIRE} and older" in rig.log.read_text()
    for pid in rig.horses():
        rig.kill(pid)  # however often its drain dies, it is never taken for poison
    worker.terminate()
    assert worker.wait(60) == 0
    left: list[tuple[bytes, object]] = rig.redis.xrange(rig.keys.events)  # type: ignore[assignment]
    assert [one for one, _ in left] == [entry]
    assert rig.dead() == []


def test_the_newer_release_takes_over_what_the_older_one_left(rig: Rig) -> None:
    rig.redis.xadd(rig.keys.events, {"body": '{"trace_id":"tomorrow","value":1}', "v": WIRE + 1})
    older = rig.start_worker()
    assert eventually(lambda: rig.logged("entry_not_read"), 60)
    rig.workers.append(rig.start(sys.executable, "-c", NEWER))
    older.terminate()
    assert older.wait(60) == 0
    rig.assert_everything_arrived(1)
