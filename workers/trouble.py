"""What Redis does to a worker, said once when it begins and once when it is over."""

from logging import LogRecord
from typing import Final

from redis.exceptions import AuthenticationError, OutOfMemoryError, RedisError

from forwarder.log import get_logger
from forwarder.queue.connection import AWAY

FULL: Final = "redis_full"
_AWAY: Final = "redis_away"
_REFUSES: Final = "redis_refuses"
_NEXT: Final = {
    FULL: "drains run without RQ until there is memory",
    _AWAY: "retried until it is back",
    _REFUSES: "retried until it does not",
}


def passes(error: RedisError) -> bool:
    """Whether it is an outage, which ends, and not a setting that somebody has to mend."""
    return isinstance(error, (*AWAY, OutOfMemoryError)) and not isinstance(error, AuthenticationError)


def reason(error: BaseException) -> str:
    """What Redis said, without the command of a pipeline, which has arguments."""
    return str(error).rpartition("caused error: ")[2]


def without_traceback(record: LogRecord) -> bool:
    """A filter for RQ's logger: what Redis refuses is no fault of the code, so one line says it."""
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, RedisError):
        record.msg, record.args = f"{record.getMessage()}: {reason(error)}", None
        record.exc_info = None
    return True


class Trouble:
    """The trouble that a worker is in.

    Args:
        context: for its log lines.

    Attributes:
        kind: its name in the log; empty when there is none.
    """

    def __init__(self, **context: str) -> None:
        self.kind = ""
        self._log = get_logger(**context)

    def note(self, error: RedisError) -> None:
        """Redis did not do what was asked."""
        full = isinstance(error, OutOfMemoryError)
        kind = FULL if full else _AWAY if isinstance(error, AWAY) else _REFUSES
        if kind != self.kind:
            self.kind = kind
            self._log.warning(kind, error=reason(error), next=_NEXT[kind])

    def over(self) -> bool:
        """Redis did; answers whether there had been trouble."""
        if not self.kind:
            return False
        self.kind = ""
        self._log.info("redis_back")
        return True
