"""Logging: structlog for us and, through it, for the libraries' own loggers. No payloads and no keys.

Nothing of ours logs them, and should a library quote a key in an error, it is masked here.

Levels: debug is one line per batch, info one per change of state (a drain begins or ends, a pause), warning what an
operator may have to look at, error what needs a mend. JSON lines when standard error is no terminal.
"""

import logging
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from forwarder.key_settings import masked
from forwarder.settings import Settings

if TYPE_CHECKING:
    import structlog

NOISY = {"rq": logging.WARNING, "rq.worker": logging.WARNING, "httpx": logging.WARNING, "asyncio": logging.WARNING}
NOISY["uvicorn.error"] = logging.ERROR
"""Libraries that log every step; RQ would also log a job's arguments, and uvicorn every request that is not HTTP."""


def configure_logging(settings: Settings, **context: Any) -> None:  # noqa: ANN401 - any loggable value
    """Set up structlog and the standard library's root logger; `context` is bound to every line."""
    import structlog  # noqa: PLC0415 - a fifth of the start-up of commands that log nothing

    shared: list[structlog.types.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
    ]
    as_console = settings.log_format == "console" or (settings.log_format == "auto" and sys.stderr.isatty())
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(settings.log_level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.clear_contextvars()
    structlog.contextvars.bind_contextvars(**context)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(shared, settings.secrets, as_console=as_console))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(settings.log_level.upper())
    for name, level in NOISY.items():
        logging.getLogger(name).setLevel(max(level, root.level))


def _formatter(
    shared: "list[structlog.types.Processor]", secrets: Sequence[str], *, as_console: bool
) -> logging.Formatter:
    import structlog  # noqa: PLC0415 - as above

    renderer: list[structlog.types.Processor] = (
        [structlog.dev.ConsoleRenderer(exception_formatter=structlog.dev.plain_traceback)]  # no values of variables
        if as_console
        else [structlog.processors.format_exc_info, structlog.processors.JSONRenderer()]
    )
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=shared,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *renderer,
            lambda _logger, _method, line: masked(str(line), secrets),
        ],
    )


def get_logger(**context: Any) -> "structlog.typing.FilteringBoundLogger":  # noqa: ANN401 - any loggable value
    """A logger with its context bound."""
    import structlog  # noqa: PLC0415 - as above

    logger: structlog.typing.FilteringBoundLogger = structlog.get_logger().bind(**context)
    return logger
