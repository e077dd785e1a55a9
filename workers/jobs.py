"""The job functions that RQ calls: a few lines each, and listed in `rq_classes.ALLOWED`."""

import structlog
import uvloop

from forwarder.log import configure_logging
from forwarder.queue.connection import connect, control_url
from forwarder.settings import load_settings
from workers import drain as story
from workers.rq_classes import FeedbackQueue
from workers.session import Session
from workers.stop import stop_on_signals
from workers.sweep import Sweep


def drain(destination: str, slot: int, token: str, idle_s: float | None = None) -> str:
    """Drain a destination's stream for one session.

    Args:
        destination: its name.
        slot: of the lease that was taken for this job.
        token: the lease's value.
        idle_s: quiet time that ends the session; FORWARDER_DRAIN_IDLE_S when not given.

    Returns:
        Why the session ended, for `rq info`.
    """
    stop_on_signals()
    settings = load_settings()
    configure_logging(settings, destination=destination, drain=token)
    sweep = Sweep(settings, connect(settings), FeedbackQueue(connection=connect(settings, control_url(settings))))

    async def run() -> str:
        session = Session(destination, slot, token, idle_s or settings.drain_idle_s, settings.drain_session_s)
        await story.drain(settings, session, sweep)
        return session.reason

    try:
        return uvloop.run(run())
    finally:
        structlog.contextvars.clear_contextvars()
