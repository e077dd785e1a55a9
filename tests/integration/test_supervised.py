"""Workers under their supervisor: started again, stopped with it, hurried by it, and without it."""

import signal
import subprocess
from pathlib import Path

from forwarder.signals import TOGETHER_S
from tests.integration.conftest import StartRig
from tests.support.events import events
from tests.support.rig import Rig
from tests.support.stopping import LONG, SOON_S, nothing_is_left
from tests.support.waiting import eventually


def workers_of(rig: Rig, supervisor: subprocess.Popen[bytes], count: int) -> list[int]:
    """The pids of the workers, once there are so many and all have started."""
    assert eventually(lambda: rig.said("worker_started") >= count), rig.log.read_text()
    assert eventually(lambda: len(rig.children(supervisor.pid)) == count)
    return rig.children(supervisor.pid)


def test_a_worker_that_is_killed_is_started_again_and_events_keep_flowing(rig: Rig) -> None:
    supervisor = rig.start_supervisor("-n", "2")
    first, second = workers_of(rig, supervisor, 2)
    rig.client().send_many(events(100, "before"))
    rig.settled()
    rig.kill(first)
    assert eventually(lambda: rig.said("worker_started") == 3), rig.log.read_text()
    assert second in rig.children(supervisor.pid)
    assert first not in rig.children(supervisor.pid)
    assert rig.logged("child_died")
    rig.client().send_many(events(100, "after"))
    rig.assert_everything_arrived(200)


def test_a_supervisor_stops_all_its_workers_gracefully(start_rig: StartRig) -> None:
    rig = start_rig(**LONG)
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    supervisor = rig.start_supervisor("-n", "2")
    both = workers_of(rig, supervisor, 2)
    rig.client().send_many(events(20_000))
    assert eventually(lambda: any(fault["applied"] for fault in rig.sandbox.faults()))
    supervisor.send_signal(signal.SIGTERM)
    assert supervisor.wait(SOON_S) == 0
    assert not any(Path(f"/proc/{pid}").exists() for pid in both)
    nothing_is_left(rig)
    rig.start_worker()
    rig.assert_everything_arrived(20_000)
    assert rig.sandbox.counts()["duplicates"] == 0


def test_a_second_signal_to_a_supervisor_makes_its_workers_hurry(start_rig: StartRig) -> None:
    rig = start_rig(**LONG)
    rig.sandbox.set_faults({"kind": "hang"})
    supervisor = rig.start_supervisor()
    workers_of(rig, supervisor, 1)
    rig.client().send_many(events(10))
    assert eventually(lambda: any(fault["applied"] for fault in rig.sandbox.faults()))
    supervisor.send_signal(signal.SIGINT)
    assert not eventually(lambda: supervisor.poll() is not None, within_s=TOGETHER_S + 0.5)
    supervisor.send_signal(signal.SIGINT)
    assert supervisor.wait(SOON_S) == 0
    assert rig.logged("horse_hurried")


def test_when_a_supervisor_is_killed_its_workers_end_by_themselves_and_gracefully(start_rig: StartRig) -> None:
    rig = start_rig(**LONG)
    rig.sandbox.set_faults({"kind": "latency", "ms": 300})
    supervisor = rig.start_supervisor("-n", "2")
    both = workers_of(rig, supervisor, 2)
    rig.client().send_many(events(5_000))
    assert eventually(lambda: any(fault["applied"] for fault in rig.sandbox.faults()))
    rig.kill(supervisor.pid)
    supervisor.wait()
    assert eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in both), within_s=SOON_S)
    nothing_is_left(rig)
    rig.start_worker()
    rig.assert_everything_arrived(5_000)
    assert rig.sandbox.counts()["duplicates"] == 0


def test_a_worker_whose_parent_died_before_it_could_look_ends(rig: Rig) -> None:
    rig.server.stop()  # it would wait for it for ever
    with subprocess.Popen(["/bin/true"]) as dead:
        pass
    assert rig.start_worker("--parent", str(dead.pid)).wait(SOON_S) == 0
