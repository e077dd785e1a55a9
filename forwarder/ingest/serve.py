"""The server: uvicorn on a socket that the supervisor holds, one process per `--workers`.

uvicorn with httptools and uvloop, by measurement (64 connections, one event a request, one core, Python 3.11): a bare
endpoint that reads the body and answers 202 costs 18 µs of CPU per request; on granian 2.8 it costs 29 µs, on uvicorn
with h11 96 µs, on hypercorn 0.18 127 µs.

All processes accept from one listening socket, which their parent keeps open: a process that is killed takes only the
connections with it that it had accepted, and what waits to be accepted is served by the others or by its successor.
"""

import asyncio
import contextlib
import gc
import math
import os
import resource
import signal
import socket
from collections.abc import Callable, Mapping
from typing import Any, Final

from typing_extensions import override
from uvicorn import Server

from forwarder.ingest.app import Ingest
from forwarder.ingest.auth import check_exposure
from forwarder.ingest.connection import GuardedConfig, end_overdue
from forwarder.listening import listen
from forwarder.settings import Settings
from forwarder.supervisor import PYTHON, Child

TICKS_PER_LOOK: Final = 10
"""uvicorn ticks ten times a second."""

GC_THRESHOLD: Final = (20_000, 50, 100)
"""New objects before a collection, in place of Python's 700, and how many of those before an older generation's."""


class GuardedServer(Server):
    """uvicorn's server, which also ends what is overdue, and tells endless answers when it stops.

    Args:
        config: of uvicorn, and our bounds.
        on_stop: called when it begins to stop.
    """

    def __init__(self, config: GuardedConfig, on_stop: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_stop = on_stop

    @override
    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        self._on_stop()
        await super().shutdown(sockets)

    @override
    async def on_tick(self, counter: int) -> bool:
        if counter % TICKS_PER_LOOK == 0:
            end_overdue(self.server_state.connections, asyncio.get_running_loop().time())
        return await super().on_tick(counter)


def serve(settings: Settings, listener: socket.socket, app: Any = None) -> None:  # noqa: ANN401 - any ASGI application
    """Serve until SIGTERM or SIGINT; then answer what is in flight.

    Args:
        settings: all that it is bound by.
        listener: where to accept.
        app: in place of the ingest, for comparisons.
    """
    _raise_file_limit()
    ingest = Ingest(settings)
    config = GuardedConfig(
        app or ingest,
        settings,
        loop="uvloop",
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=settings.ingest_keep_alive_s,
        timeout_graceful_shutdown=math.ceil(settings.shutdown_grace_s),
    )
    _calm_the_collector()
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, _ended_in_order)
    GuardedServer(config, ingest.stop).run(sockets=[listener])


def _ended_in_order(_: int, __: object) -> None:
    """The server raises the signal again when it is done; by then there is nothing left to do."""


def _calm_the_collector() -> None:
    """Spare 2 µs per request: what is there by now stays, and hundreds of requests in flight are no garbage."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLD)


def _raise_file_limit() -> None:
    """Each connection takes a file; the soft limit of 1,024 on many systems is for programs that use select."""
    _soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(ValueError, OSError):  # then it stays as it is
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def ingest_child(listener: socket.socket, number: int, env: Mapping[str, str] | None = None) -> Child:
    """One process of the ingest, for a supervisor that holds the listening socket.

    Args:
        listener: where it accepts.
        number: tells it from the others.
        env: variables besides our own.
    """
    command = [*PYTHON, "forwarder.ingest", "--fd", str(listener.fileno()), "--parent", str(os.getpid())]
    return Child(f"ingest {number}", command, env or {}, shares=(listener.fileno(),))


def listen_for_ingest(settings: Settings) -> socket.socket:
    """The listening socket, once it is clear that it may be opened.

    Raises:
        InvalidSettings: others could reach it and no key is wanted.
        ForwarderError: the port cannot be used.
    """
    check_exposure(settings)
    return listen(settings.ingest_host, settings.ingest_port, who="the HTTP ingest", variables="FORWARDER_INGEST")
