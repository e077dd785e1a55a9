"""Producing programs, as processes of their own: started, told, killed; and what of theirs is on the queue."""

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from forwarder.spill.file import spill_file
from tests.support.rig import Rig
from tests.support.sandbox import ROOT
from tests.support.waiting import eventually

HEAD = """
import os, sys, threading, time
from forwarder import FeedbackClient

def send(client, prefix, count):
    for number in range(count):
        client.send(trace_id=f"{prefix}-{number}", value=1)

def say(word):
    print(word, flush=True)

"""
"""What each program begins with."""

HOLDS = {"FORWARDER_CLIENT_LINGER_MS": "60000"}
"""Under which a client holds what it was sent until it is flushed: what arrives, arrives because of its end."""


SAYS_WHAT_IT_SENT = """
client = FeedbackClient(mode="{mode}")
client.thumbs_up("first-0")
client.flush()
say("up")
sys.stdin.readline()
number = 0
while True:
    client.send(trace_id=f"a-{{number}}", value=1)
    os.write(1, b"%d %d\\n" % (number, time.monotonic_ns()))
    number += 1
    time.sleep(0.0005)
"""
"""A producer that says what it has sent, and when."""


def run_program(rig: Rig, code: str, *arguments: str, within_s: float = 60) -> "subprocess.CompletedProcess[str]":
    """Run a program to its end; what it says to standard error is an assertion's message if it fails."""
    command = [sys.executable, "-c", HEAD + code, *arguments]
    return subprocess.run(
        command, env=rig.environment, cwd=ROOT, capture_output=True, text=True, timeout=within_s, check=False
    )


@contextmanager
def started_program(rig: Rig, code: str, *arguments: str) -> Iterator["subprocess.Popen[str]"]:
    """A program that runs meanwhile, and is killed in the end if it still does; its lines can be read."""
    command = [sys.executable, "-c", HEAD + code, *arguments]
    with (
        rig.log.open("ab") as log,
        subprocess.Popen(
            command, env=rig.environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=log, text=True
        ) as program,
    ):
        try:
            yield program
        finally:
            program.kill()


def wait_for(program: "subprocess.Popen[str]", word: str) -> None:
    """Read its lines until it says so."""
    assert program.stdout is not None
    for line in program.stdout:
        if line.strip() == word:
            return
    raise AssertionError(f"the program ended before it said {word}")


def kill_a_producer(rig: Rig, mode: str, *, away: bool, lines: int) -> list[float]:
    """Kill -9 of a producer at work.

    Args:
        rig: whose queue it sends to.
        mode: of its client.
        away: whether Redis is, from before its first event until after its end.
        lines: events that it sends at least.

    Returns:
        for each event that is missing then, how long before the last one it was sent (ms).
    """
    with started_program(rig, SAYS_WHAT_IT_SENT.format(mode=mode)) as program:
        wait_for(program, "up")
        if away:
            rig.kill_server()
        print(file=program.stdin, flush=True)
        assert program.stdout is not None
        said = [program.stdout.readline() for _ in range(lines)]
        os.kill(program.pid, signal.SIGKILL)
        said += program.stdout.read().splitlines()
    if away:
        rig.server.start()
    spill = spill_file(rig.settings)
    assert spill
    with rig.client(mode="buffered"):  # the next process
        assert eventually(lambda: spill.count().chunks == 0)
    spill.close()
    times = {f"a-{number}": int(at_ns) for number, at_ns in (line.split() for line in said)}
    arrived = queued(rig)
    assert len(arrived) == len(set(arrived))
    return [(max(times.values()) - times[name]) / 1e6 for name in set(times) - set(arrived)]


def queued(rig: Rig, destination: str = "default") -> list[str]:
    """The trace ids of all events on the queue, each as often as it is there."""
    entries: Any = rig.redis.xrange(f"feedback:{{{destination}.0}}:events")
    bodies = [msgspec.json.decode(fields[b"body"]) for _, fields in entries]
    events = [event for body in bodies for event in (body if isinstance(body, list) else [body])]
    return [event["trace_id"] for event in events]


def sent(*prefixes: str, count: int) -> list[str]:
    """What programs that call `send` have sent, in order."""
    return sorted(f"{prefix}-{number}" for prefix in prefixes for number in range(count))
