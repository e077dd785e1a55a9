"""The sandbox as a process: it listens, says where, and stops when it is told to or when nobody needs it any more."""

import asyncio
import errno
import json
import os
import signal
import socket
import sys
from typing import Final

from aiohttp import web

from forwarder.errors import ForwarderError
from forwarder.log import get_logger
from forwarder.paths import DataDir
from forwarder.sandbox.app import make_app
from forwarder.sandbox.state import Options
from forwarder.settings import Settings

GRACE_S: Final = 0.5
PARENT_LOOK_S: Final = 0.2
WILDCARDS: Final = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - what a client has to call


def serve(
    settings: Settings, options: Options | None = None, *, announce: bool = False, parent: int | None = None
) -> None:
    """Serve until SIGTERM or SIGINT.

    Args:
        settings: where to listen, and the folder of what is kept.
        options: what is accepted; by default the settings' length of trace ids.
        announce: write one JSON line with the API's base URL to standard output when it listens.
        parent: stop also when this process, which started this one, has died.

    Raises:
        ForwarderError: the port or the file cannot be used.
    """
    options = options or Options(trace_id_max_length=settings.trace_id_max_length)
    asyncio.run(_serve(settings, options, announce=announce, parent=parent))


async def _serve(settings: Settings, options: Options, *, announce: bool, parent: int | None) -> None:
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    with _listen(settings.sandbox_host, settings.sandbox_port) as listener:
        path = DataDir(settings.data_dir).sandbox
        runner = web.AppRunner(make_app(path, options), access_log=None, shutdown_timeout=GRACE_S)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            url = base_url(settings.sandbox_host, listener.getsockname()[1])
            get_logger().info("sandbox listens", url=url, file=str(path))
            if announce:
                sys.stdout.write(json.dumps({"url": url}) + "\n")
                sys.stdout.flush()
            await _until(stop, parent)
        finally:
            await runner.cleanup()
            get_logger().info("sandbox stopped")


def base_url(host: str, port: int) -> str:
    """The API's base URL as a client on this machine calls it."""
    host = WILDCARDS.get(host, host)
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/v1"


def _listen(host: str, port: int) -> socket.socket:
    """A listening socket, taken before anything else is touched."""
    try:
        family = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0][0]
        return socket.create_server((host, port), family=family, backlog=1024)
    except OSError as error:
        if error.errno == errno.EADDRINUSE:
            hint = "another program listens there; set FORWARDER_SANDBOX_PORT to a free port, or to 0 for any"
            raise ForwarderError(f"port {port} of {host} is in use: {hint}") from None
        reason = error.strerror or error
        hint = "see FORWARDER_SANDBOX_HOST and FORWARDER_SANDBOX_PORT"
        raise ForwarderError(f"the sandbox cannot listen on port {port} of {host}: {reason} ({hint})") from None


async def _until(stop: asyncio.Event, parent: int | None) -> None:
    while not stop.is_set() and parent in (None, os.getppid()):
        try:
            await asyncio.wait_for(stop.wait(), None if parent is None else PARENT_LOOK_S)
        except TimeoutError:
            continue
