"""`serve`: the HTTP ingest, and the console beside it."""

from typing import Annotated

import typer

from forwarder.cli.boundary import say
from forwarder.cli.context import settings_in_force
from forwarder.cli.parts import PANEL
from forwarder.extras import require
from forwarder.listening import base_url, console_url, is_loopback
from forwarder.log import configure_logging
from forwarder.settings import Settings
from forwarder.signals import Asked
from forwarder.supervisor import STOP_MARGIN_S, Supervisor


def register(app: typer.Typer) -> None:
    """Add the command to the app."""
    app.command(rich_help_panel=PANEL)(serve)


def serve(
    workers: Annotated[
        int | None, typer.Option("--workers", min=1, max=64, help="Processes; FORWARDER_INGEST_WORKERS otherwise.")
    ] = None,
) -> None:
    """Run the HTTP ingest, and the console under /console: clients of the Feedback API change their base URL to it.

    Example: FORWARDER_INGEST_KEYS__WEB=… forwarder serve --workers 2
    """
    require("ingest")
    from forwarder.ingest.serve import ingest_child, listen_for_ingest  # noqa: PLC0415 - an extra

    settings = settings_in_force()
    if settings.tracing:
        require("otel")
    configure_logging(settings)
    with listen_for_ingest(settings) as listener:
        warn_if_open(settings)
        url = base_url(settings.ingest_host, listener.getsockname()[1])
        say(f"the HTTP ingest listens at {url}")
        if settings.console:
            say(f"the console is at {console_url(url)}")
        asked, supervisor = Asked().listen(), Supervisor()
        for number in range(1, (workers or settings.ingest_workers) + 1):
            supervisor.start(ingest_child(listener, number))
        raise typer.Exit(supervisor.run(asked, settings.shutdown_grace_s + STOP_MARGIN_S))


def warn_if_open(settings: Settings) -> None:
    """Say that nobody has to show a key, or to log in."""
    if not settings.ingest_keys:
        say("warning: no FORWARDER_INGEST_KEYS__NAME is set: everybody on this machine may send, and nobody else")
    if settings.console and settings.console_is_open and is_loopback(settings.ingest_host):
        say(
            "warning: no FORWARDER_CONSOLE_USERS__NAME__PASSWORD is set: everybody on this machine is an operator of "
            "the console, and nobody else; `forwarder console-password` makes one"
        )
    elif settings.console and settings.console_is_open:
        say(
            "warning: the console is closed: others can reach this address and no FORWARDER_CONSOLE_USERS__NAME "
            "is set; `forwarder console-password` makes one, FORWARDER_CONSOLE=off says that none is wanted"
        )
