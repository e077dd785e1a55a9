"""The job functions that RQ calls: a few lines each, and listed in `rq_classes.ALLOWED`."""

import structlog
import uvloop

from forwarder.log import configure_logging
from forwarder.queue.connection import connect, control_url
from forwarder.queue.lease import new_token
from forwarder.settings import load_settings
from workers import drain as story
from workers.rq_classes import FeedbackQueue
from workers.session import Session
from workers.stop import stop_on_signals
from workers.sweep import Sweep


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
