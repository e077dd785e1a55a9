"""Whoever can write to RQ's keys must not run code, call out or end a worker; each way in works against stock RQ.

All attacks are planted for one running worker, which must outlive them and deliver what comes after. One test is a
whole campaign, so that it has its processes for itself; each way in is a subtest. That each works against RQ's own
workers is shown in test_ways_in_stock.py.
"""

import json
import re
import sys
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from forwarder.queue.keys import SLOTS, Keys
from tests.support.attacked import RQ, SECRET, lease_held, new_rig, running
from tests.support.attacker import DRAIN, HARMLESS, LEAVE, Attacker, Call
from tests.support.attacks import ATTACKS, Attack
from tests.support.rig import Rig
from tests.support.waiting import eventually
from workers.rq_classes import QUEUE_NAME

FEEDBACK_WORKER = ("-w", "workers.worker.FeedbackWorker")
COMMANDS = {
    "python -m workers": (sys.executable, "-m", "workers"),
    "rq worker": (RQ, "worker", *FEEDBACK_WORKER),
    "rq worker-pool": (RQ, "worker-pool", *FEEDBACK_WORKER),
}
"""Ways to run our worker. RQ's commands leave its serializer at pickle, and its pool starts its scheduler."""
PEAK_MAX_MB = 150
"""Of a worker that usually has 65."""
LOG_LINE_MAX = 1_000


def drain(*args: object, **kwargs: object) -> Call:
    return [DRAIN, None, args, kwargs]


REFUSED: dict[str, Call | bytes] = {
    "destination '../x' is not": drain(destination="../x", slot=0),
    "destination 'nobody' is not": drain("nobody", 0),
    "destination '' is not": drain("", 0),
    f"destination '{'x' * 79} is not": drain("x" * 60_000, 0),
    "destination a NoneType is not": drain(None, 0),
    "destination a dict is not": drain({"default": 1}, 0),
    "destination a list is not": drain(json.loads("[" * 500 + "]" * 500), 0),
    "slot 'abc' is not": drain("default", "abc"),
    "slot '0' is not": drain("default", "0"),
    "slot -1 is not": drain("default", -1),
    f"slot {SLOTS} is not": drain("default", SLOTS),
    "slot 1000000000 is not": drain("default", 10**9),
    "slot True is not": drain("default", True),  # noqa: FBT003 - its point
    "slot a float is not": drain("default", 1.0),
    "slot a NoneType is not": drain("default", None),
    f"slot '{'9' * 79} is not": drain("default", "9" * 60_000),
    "too many positional arguments": drain("default", 0, 0, "token"),
    "partition 'token' is not": drain("default", 0, "token"),
    "missing a required argument: 'slot'": drain("default"),
    "unexpected keyword argument 'settings'": drain("default", 0, settings={}),
    "multiple values for argument 'slot'": drain("default", 0, slot=1),
    "a plain function call": [DRAIN, ["an", "instance"], ["default", 0], {}],
    "not enough values to unpack": [],
    "JSONDecodeError": b"",
    "RecursionError": zlib.compress(b"[" * 60_000),
}
"""Jobs that our worker must refuse, each by what the log must say of it."""


# Our worker


@dataclass(frozen=True)
class Campaign:
    """What came of all attacks on one worker.

    Attributes:
        ran: the attacks that left a trace.
        met: whether the worker has come to the end of what was planted, and its scheduler too.
        alive: whether the process that met the first attack was there after the last.
        delivered: the trace ids that were, of an event sent to the new worker, and of one after all attacks.
        peak_mb: the most memory that it had.
        leases: all keys of leases.
        left: the planted ids that are left on RQ's queue and on its list of jobs under way.
        log: of the worker and its horses.
    """

    ran: set[str]
    met: bool
    alive: bool
    delivered: set[str]
    peak_mb: int
    leases: set[str]
    left: set[bytes]
    log: str


def attack(rig: Rig, attacker: Attacker, command: Sequence[str]) -> Campaign:
    plant(attacker, [each for each in ATTACKS if each.early])
    with running(rig, command) as process:
        deliver(rig, "first")
        worker = rig.horses()[0] if "worker-pool" in command else process.pid
        with lease_held(rig):
            plant(attacker, [each for each in ATTACKS if not each.early])
            for number, job in enumerate(REFUSED.values()):
                attacker.enqueue(f"refused-{number}", job)
            attacker.enqueue("witness", HARMLESS)
            met = eventually(lambda: rig.redis.exists("rq:results:witness") or process.poll() is not None)
        deliver(rig, "last")
        alive = process.poll() is None and Path(f"/proc/{worker}").exists()
        return Campaign(
            ran={each.name for each in ATTACKS if attacker.ran(each.name)},
            met=bool(met) and ("worker-pool" not in command or not rig.redis.exists("rq:scheduled:feedback")),
            alive=alive,
            delivered=set(rig.sandbox.times_arrived()),
            peak_mb=peak_mb(worker) if alive else 0,
            leases={key.decode() for key in rig.redis.scan_iter("*lease*")},
            left=left_over(rig),
            log=rig.log.read_text(),
        )


def plant(attacker: Attacker, attacks: Sequence[Attack]) -> None:
    for each in attacks:
        each.plant(attacker, each.name)


def deliver(rig: Rig, trace_id: str) -> None:
    """Send an event, and wait for it or for the worker's end."""
    rig.client().send(trace_id=trace_id, value=1)
    eventually(lambda: rig.books().entries == 0 or rig.workers[-1].poll() is not None, 30)
    assert rig.workers[-1].poll() is None, rig.log.read_text()[-4_000:]


def left_over(rig: Rig) -> set[bytes]:
    queue = f"rq:queue:{QUEUE_NAME}"
    job_ids: list[bytes] = [*rig.redis.lrange(queue, 0, -1), *rig.redis.lrange(f"{queue}:intermediate", 0, -1)]  # type: ignore[list-item]
    return {job_id for job_id in job_ids if not job_id.startswith(b"drain-")}


def peak_mb(pid: int) -> int:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    (peak_kb,) = [int(line.split()[1]) for line in lines if line.startswith("VmHWM")]
    return peak_kb // 1000


@pytest.mark.parametrize("mode", COMMANDS)
def test_our_worker_shuts_each_way_in(mode: str, subtests: pytest.Subtests) -> None:
    with new_rig() as rig, Attacker(rig.redis, rig.folder, QUEUE_NAME) as attacker:
        done = attack(rig, attacker, COMMANDS[mode])
    with subtests.test("it outlives them all"):
        assert (done.met, done.alive, done.delivered) == (True, True, {"first", "last"}), done.log[-4_000:]
    for each in ATTACKS:
        with subtests.test("nothing ran", way=each.name):
            assert each.name not in done.ran
    with subtests.test("no bomb is inflated"):
        assert done.peak_mb < PEAK_MAX_MB
    with subtests.test("no lease is taken but of drain slots"):
        assert done.leases <= set(Keys().leases)
    with subtests.test("nothing is met twice"):
        assert done.left == set()
    refusals = [line for line in done.log.splitlines() if "job_refused" in line]
    for number, reason in enumerate(REFUSED):
        with subtests.test("one line says why", reason=reason):
            (line,) = [line for line in refusals if re.search(rf"\bjob\W+refused-{number}\b", line)]
            assert reason in line
    with subtests.test("the log has no traceback, no key and nothing long"):
        assert "Traceback" not in done.log
        assert SECRET not in done.log
        assert max(len(line) for line in done.log.splitlines()) < LOG_LINE_MAX


# A job that runs, and orders to its worker by PUBLISH
ORDERS = pytest.mark.parametrize(
    ("order", "fields", "changed"),
    [
        pytest.param("stop-job", {"stopped_callback_name": LEAVE}, {}, id="callback of the stop"),
        pytest.param("kill-horse", {}, {"status": "nope"}, id="status that is none"),
    ],
)


def strike(rig: Rig, order: str, changed: dict[str, str]) -> None:
    """Once the job runs, change its hash, and give its worker an order that ends the horse."""
    assert eventually(lambda: rig.redis.hget("rq:job:struck", "status") == b"started"), rig.log.read_text()[-4_000:]
    (horse,) = rig.horses()
    for field, value in changed.items():
        rig.redis.hset("rq:job:struck", field, value)
    (worker,) = (key.decode().split(":")[-1] for key in rig.redis.scan_iter("rq:worker:*", _type="hash"))
    rig.redis.publish(f"rq:pubsub:{worker}", json.dumps({"command": order, "job_id": "struck"}))
    assert eventually(lambda: not Path(f"/proc/{horse}").exists())


@ORDERS
def test_our_worker_outlives_what_becomes_of_a_running_job(
    order: str, fields: dict[str, str], changed: dict[str, str]
) -> None:
    with new_rig() as rig, Attacker(rig.redis, rig.folder, QUEUE_NAME) as attacker:
        rig.sandbox.set_faults({"kind": "hang"})
        rig.client().send(trace_id="held up", value=1)
        attacker.enqueue("struck", drain("default", 0), **fields)
        with running(rig, COMMANDS["python -m workers"]) as worker:
            strike(rig, order, changed)
            rig.sandbox.clear_faults()
            assert rig.settled()["delivered"] == 1
            assert worker.poll() is None
        assert not attacker.ran("struck")


@ORDERS
def test_a_stock_worker_does_not_outlive_it(order: str, fields: dict[str, str], changed: dict[str, str]) -> None:
    with new_rig() as rig, Attacker(rig.redis, rig.folder, "stock") as attacker:
        attacker.enqueue("struck", ["time.sleep", None, [60], {}], **fields)
        with running(rig, [RQ, "worker", "-S", "json"], "stock") as worker:
            strike(rig, order, changed)
            assert eventually(lambda: attacker.ran("struck") if fields else worker.poll() is not None)
