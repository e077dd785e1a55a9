"""The job functions that RQ calls: a few lines each, and listed in `rq_classes.ALLOWED`.

Whoever can write to RQ's keys chooses their arguments, which become keys in Redis: each is checked here.
"""

import gc
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import structlog
import uvloop
from rq import get_current_job

from forwarder.dead import retention
from forwarder.errors import ForwarderError
from forwarder.log import configure_logging, get_logger
from forwarder.queue import lock
from forwarder.queue.connection import connect, control_url
from forwarder.queue.keys import PARTITIONS, SLOTS, Keys
from forwarder.queue.lease import new_token
from forwarder.replaying.desk import REPLAY_ID, Desk
from forwarder.settings import Settings, load_settings
from workers import drain as story
from workers import webhook
from workers.replays import replay_session
from workers.rq_classes import FeedbackQueue
from workers.session import Session
from workers.stop import STOP, stop_on_signals
from workers.sweep import Sweep

COLLECT_AFTER: Final = (50_000, 20, 50)
"""Objects that may come before the garbage collector looks at them. Reading a body makes a thousand that are gone at
once; at Python's 700 it would look through them all the time. What was imported is not looked at either."""
SHOWN_MAX_LENGTH: Final = 80
TRIM_MS: Final = 60_000
"""Life of the claim on trimming, renewed with each page."""
TRIM_S: Final = 60.0
"""After which a trim ends; the next sweep asks for another. Half of what RQ gives the job (`errands.JOB_S`)."""

_inherited: Settings | None = None


def drain(destination: str, slot: int, partition: int = 0) -> str:
    """Drain a destination's stream for one session.

    Args:
        destination: its name.
        slot: the lease that was promised.
        partition: which of the destination's.

    Returns:
        Why the session ended, for `rq info`.
    """
    settings, token = _begun(), new_token()
    if flaw := _flaw(settings, destination, partition) or _flaw_of_slot(slot):
        return _refused(flaw)
    gc.freeze()
    gc.set_threshold(*COLLECT_AFTER)
    with _logging(settings, destination, partition, drain=token):

        async def run() -> str:
            session = Session(destination, slot, token, settings.drain_idle_s, settings.drain_session_s, partition)
            await story.drain(settings, session, lambda: _sweep(settings))
            return session.reason

        return uvloop.run(run())


def replay(destination: str, replay_id: str, partition: int = 0) -> str:
    """Go on with a replay in the background for one session.

    Args:
        destination: whose letters return.
        replay_id: which.
        partition: whose letters.
    """
    settings = _begun()
    if flaw := _flaw(settings, destination, partition) or _flaw_of_replay(replay_id):
        return _refused(flaw)
    with _logging(settings, destination, partition):
        desk = Desk(connect(settings), settings, destination, partition)
        return replay_session(desk, replay_id, _sweep(settings), settings.drain_session_s)


def trim(destination: str, partition: int = 0) -> str:
    """Trim a partition's dead letters to what is to be kept."""
    settings = _begun()
    if flaw := _flaw(settings, destination, partition):
        return _refused(flaw)
    with _logging(settings, destination, partition):
        client, keys = connect(settings), Keys(destination, partition, settings.key_prefix)
        deadline = time.monotonic() + TRIM_S

        def go_on() -> bool:
            lock.extend(client, keys.trimming, TRIM_MS)
            return not STOP.is_set() and time.monotonic() < deadline

        try:
            done = retention.trim(client, keys, retention.retention(settings, destination), go_on)
        except ForwarderError as error:
            get_logger().error("not_trimmed", reason=str(error))
            return "failed"
        get_logger().warning("trimmed", counts=done.counts, file=str(done.file) if done.file else None)
        lock.release(client, keys.trimming)
        return f"trimmed {sum(done.counts.values())}"


def notify(destination: str, partition: int = 0) -> str:
    """Post what the webhook does not have yet."""
    settings = _begun()
    if flaw := _flaw(settings, destination, partition):
        return _refused(flaw)
    with _logging(settings, destination, partition):
        arrived = webhook.post_outbox(settings, connect(settings), Keys(destination, partition, settings.key_prefix))
        return f"posted {arrived}"


def inherit(settings: Settings) -> None:
    """What a worker has read at its start is in force in its horses too; they need not read it again."""
    global _inherited  # noqa: PLW0603 - what a fork inherits
    _inherited = settings


def _begun() -> Settings:
    stop_on_signals()
    return _settings()


def _settings() -> Settings:
    return _inherited or load_settings()


@contextmanager
def _logging(settings: Settings, destination: str, partition: int, **context: str) -> Iterator[None]:
    apart = {"partition": str(partition)} if partition else {}
    configure_logging(settings, destination=destination, **apart, **context)
    try:
        yield
    finally:
        structlog.contextvars.clear_contextvars()


def _sweep(settings: Settings) -> Sweep:
    return Sweep(settings, connect(settings), FeedbackQueue(connection=connect(settings, control_url(settings))))


def _refused(flaw: str) -> str:
    configure_logging(_settings())
    job = get_current_job()
    get_logger().error("job_refused", job=job and job.id, reason=flaw)
    return f"refused: {flaw}"


def _flaw(settings: Settings, destination: object, partition: object) -> str:
    """What is wrong with a destination or its partition; empty when nothing is."""
    if not isinstance(destination, str) or destination not in settings.destination_names:
        return f"destination {_shown(destination)} is not configured"
    if type(partition) is not int or partition not in range(PARTITIONS):
        return f"partition {_shown(partition)} is not one of 0 to {PARTITIONS - 1}"
    return ""


def _flaw_of_slot(slot: object) -> str:
    if type(slot) is not int or slot not in range(SLOTS):
        return f"slot {_shown(slot)} is not one of 0 to {SLOTS - 1}"
    return ""


def _flaw_of_replay(replay_id: object) -> str:
    if not isinstance(replay_id, str) or not REPLAY_ID.fullmatch(replay_id):
        return f"replay {_shown(replay_id)} is no id"
    return ""


def _shown(value: object) -> str:
    return repr(value)[:SHOWN_MAX_LENGTH] if isinstance(value, str | int) else f"a {type(value).__name__}"
