"""The job functions that RQ calls: a few lines each, and listed in `rq_classes.ALLOWED`."""

from typing import Final

import structlog
import uvloop
from rq import get_current_job

from forwarder.log import configure_logging, get_logger
from forwarder.queue.connection import connect, control_url
from forwarder.queue.keys import SLOTS
from forwarder.queue.lease import new_token
from forwarder.settings import Settings, load_settings
from workers import drain as story
from workers.rq_classes import FeedbackQueue
from workers.session import Session
from workers.stop import stop_on_signals
from workers.sweep import Sweep

SHOWN_MAX_LENGTH: Final = 80


def drain(destination: str, slot: int) -> str:
    """Drain a destination's stream for one session.

    Args:
        destination: its name.
        slot: the lease that was promised.

    Returns:
        Why the session ended, for `rq info`.
    """
    stop_on_signals()
    token = new_token()
    settings = load_settings()
    if flaw := _flaw(settings, destination, slot):
        configure_logging(settings)
        job = get_current_job()
        get_logger().error("job_refused", job=job and job.id, reason=flaw)
        return f"refused: {flaw}"
    configure_logging(settings, destination=destination, drain=token)
    sweep = Sweep(settings, connect(settings), FeedbackQueue(connection=connect(settings, control_url(settings))))

    async def run() -> str:
        session = Session(destination, slot, token, settings.drain_idle_s, settings.drain_session_s)
        await story.drain(settings, session, sweep)
        return session.reason

    try:
        return uvloop.run(run())
    finally:
        structlog.contextvars.clear_contextvars()


def _flaw(settings: Settings, destination: object, slot: object) -> str:
    """What is wrong with the arguments, whoever wrote them: they become keys in Redis. Empty when nothing is."""
    if not isinstance(destination, str) or destination not in settings.destination_names:
        return f"destination {_shown(destination)} is not configured"
    if type(slot) is not int or slot not in range(SLOTS):
        return f"slot {_shown(slot)} is not one of 0 to {SLOTS - 1}"
    return ""


def _shown(value: object) -> str:
    return repr(value)[:SHOWN_MAX_LENGTH] if isinstance(value, str | int) else f"a {type(value).__name__}"
