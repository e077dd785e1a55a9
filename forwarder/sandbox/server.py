"""The sandbox as a process: it listens, says where, and stops when it is told to or when nobody needs it any more."""

import asyncio
import json
import os
import signal
import sys
from typing import Final

from aiohttp import web

from forwarder.listening import base_url, listen
from forwarder.log import get_logger
from forwarder.paths import DataDir
from forwarder.sandbox.app import make_app
from forwarder.sandbox.state import Options
from forwarder.settings import Settings

GRACE_S: Final = 0.5
PARENT_LOOK_S: Final = 0.2


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
    host, port = settings.sandbox_host, settings.sandbox_port
    with listen(host, port, who="the sandbox", variables="FORWARDER_SANDBOX") as listener:
        path = DataDir(settings.data_dir).sandbox
        runner = web.AppRunner(make_app(path, options), access_log=None, shutdown_timeout=GRACE_S)
        await runner.setup()
        try:
            await web.SockSite(runner, listener).start()
            url = base_url(host, listener.getsockname()[1])
            get_logger().info("sandbox_listens", url=url, file=str(path))
            if announce:
                sys.stdout.write(json.dumps({"url": url}) + "\n")
                sys.stdout.flush()
            await _until(stop, parent)
        finally:
            await runner.cleanup()
            get_logger().info("sandbox_stopped")


async def _until(stop: asyncio.Event, parent: int | None) -> None:
    while not stop.is_set() and parent in (None, os.getppid()):
        try:
            await asyncio.wait_for(stop.wait(), None if parent is None else PARENT_LOOK_S)
        except TimeoutError:
            continue
