"""Producing programs, as processes of their own: started, told, killed; and what of theirs is on the queue."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from tests.support.rig import Rig
from tests.support.sandbox import ROOT

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


def queued(rig: Rig, destination: str = "default") -> list[str]:
    """The trace ids of all events on the queue, each as often as it is there."""
    entries: Any = rig.redis.xrange(f"feedback:{{{destination}.0}}:events")
    bodies = [msgspec.json.decode(fields[b"body"]) for _, fields in entries]
    events = [event for body in bodies for event in (body if isinstance(body, list) else [body])]
    return [event["trace_id"] for event in events]


def sent(*prefixes: str, count: int) -> list[str]:
    """What programs that call `send` have sent, in order."""
    return sorted(f"{prefix}-{number}" for prefix in prefixes for number in range(count))
