"""Commands that run the parts: up, worker, sandbox; `serve` has a file of its own."""

from typing import Annotated

import typer

from forwarder.cli.context import settings_in_force
from forwarder.errors import InvalidSettings
from forwarder.extras import require
from forwarder.log import configure_logging
from forwarder.queue.connection import connect, control_url
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import Settings, scope_of
from forwarder.signals import Asked
from forwarder.supervisor import STOP_MARGIN_S, Child, Supervisor, worker_command

PANEL = "Run"


def register(app: typer.Typer) -> None:
    """Add the commands to the app."""
    app.command(rich_help_panel=PANEL)(up)
    app.command(rich_help_panel=PANEL)(worker)
    app.command(rich_help_panel=PANEL)(sandbox)


def up() -> None:
    """Run everything on this machine: queue, workers, HTTP ingest, and the sandbox when no API key is set.

    Example: FORWARDER_WORKERS=2 forwarder up
    """
    for extra in ("worker", "ingest"):
        require(extra)
    from forwarder.cli.up import Up  # noqa: PLC0415 - other commands need none of it

    settings = settings_in_force()
    configure_logging(settings)
    Up(settings).run()


def worker(
    count: Annotated[int, typer.Option("-n", "--number", min=1, max=64, help="Worker processes.")] = 1,
    burst: Annotated[bool, typer.Option("--burst", help="Stop when nothing waits any more.")] = False,
) -> None:
    """Run RQ workers that drain the queue; restarts those that die.

    Example: FORWARDER_API_KEY=… forwarder worker -n 2
    """
    require("worker")
    settings = settings_in_force()
    if settings.tracing:
        require("otel")
    configure_logging(settings)
    _check_upstreams(settings)
    for url in (None, control_url(settings)):
        with queue_errors(settings), connect(settings, url) as client:
            client.ping()
    asked, supervisor = Asked().listen(), Supervisor()
    command = worker_command(*(["--burst"] if burst else []))
    for number in range(1, count + 1):
        supervisor.start(Child(f"worker {number}", command, restart=not burst))
    raise typer.Exit(supervisor.run(asked, settings.shutdown_grace_s + STOP_MARGIN_S))


def sandbox() -> None:
    """Run the sandbox: a Feedback API for development and tests, on FORWARDER_SANDBOX_PORT.

    Example: FORWARDER_SANDBOX_PORT=8790 forwarder sandbox
    """
    require("sandbox")
    from forwarder.sandbox.server import serve  # noqa: PLC0415 - an extra
    from forwarder.sandbox.state import Options  # noqa: PLC0415 - as above

    settings = settings_in_force()
    configure_logging(settings, part="sandbox")
    serve(settings, Options(trace_id_max_length=settings.trace_id_max_length), announce=True)


def _check_upstreams(settings: Settings) -> None:
    for name in settings.destination_names:
        upstream = settings.upstream(name)
        if not upstream.has_key:
            raise InvalidSettings(
                f"{scope_of(name)}API_KEY is not set: the Feedback API wants a key; "
                "to try without one, `forwarder up` forwards to a sandbox"
            )
        _ = upstream.key  # raises when its file cannot be read
