# ruff: noqa: PLC0415 - what does the work is imported when it is called for
"""`up`, `worker`, `serve`, `sandbox`: everything at once, or the parts one by one."""

from typing import Annotated

import typer

_PANEL = "Run"


def register(app: typer.Typer) -> None:
    """Add the commands."""
    app.command(rich_help_panel=_PANEL, epilog="Example: FORWARDER_WORKERS=2 forwarder up")(up)
    app.command(rich_help_panel=_PANEL, epilog="Example: FORWARDER_API_KEY=… forwarder worker -n 2")(worker)
    app.command(
        rich_help_panel=_PANEL, epilog="Example: FORWARDER_INGEST_KEYS__WEB__KEY=… forwarder serve --workers 2"
    )(serve)
    app.command(rich_help_panel=_PANEL, epilog="Example: FORWARDER_SANDBOX_PORT=8790 forwarder sandbox")(sandbox)


def up() -> None:
    """Run everything on this machine: queue, workers, HTTP ingest, and the sandbox when no API key is set."""
    from forwarder.cli import running

    running.up()


def worker(
    count: Annotated[int, typer.Option("-n", "--number", min=1, max=64, help="Worker processes.")] = 1,
    burst: Annotated[bool, typer.Option("--burst", help="Stop when nothing waits any more.")] = False,
) -> None:
    """Run RQ workers that drain the queue; restarts those that die."""
    from forwarder.cli import running

    running.work(count, burst=burst)


def serve(
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Processes; FORWARDER_INGEST_WORKERS otherwise.")
    ] = None,
) -> None:
    """Run the HTTP ingest, and the console under /console: clients of the Feedback API change their base URL to it."""
    from forwarder.cli import serving

    serving.serve(workers)


def sandbox() -> None:
    """Run the sandbox: a Feedback API for development and tests, on FORWARDER_SANDBOX_PORT."""
    from forwarder.cli import running

    running.sandbox()
