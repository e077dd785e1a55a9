"""What `serve` does: one listening socket, and processes that accept from it."""

import typer

from forwarder.cli.boundary import say
from forwarder.cli.context import settings_in_force
from forwarder.console.mount import is_offered
from forwarder.extras import require
from forwarder.listening import base_url, console_url, is_loopback
from forwarder.log import configure_logging
from forwarder.queue.forms import codec_for
from forwarder.settings import Settings
from forwarder.signals import Asked
from forwarder.supervisor import STOP_MARGIN_S, Supervisor


def serve(workers: int | None) -> None:
    """Run the HTTP ingest until somebody asks to stop; exits with its status.

    Args:
        workers: processes; None for as many as the settings say.

    Raises:
        InvalidSettings: others could reach it and no key is wanted, or a key of the queue is none.
        ForwarderError: the port cannot be used.
    """
    require("ingest")
    from forwarder.ingest.serve import ingest_child, listen_for_ingest  # noqa: PLC0415 - an extra

    settings = settings_in_force()
    if settings.tracing:
        require("otel")
    configure_logging(settings)
    codec_for(settings)  # raises here what would end each process of ours
    with listen_for_ingest(settings) as listener:
        _warn_if_open(settings)
        url = base_url(settings.ingest_host, listener.getsockname()[1])
        say(f"the HTTP ingest listens at {url}")
        if is_offered(settings):
            say(f"the console is at {console_url(url)}")
        asked, supervisor = Asked().listen(), Supervisor()
        for number in range(1, (workers or settings.ingest_workers) + 1):
            supervisor.start(ingest_child(listener, number))
        raise typer.Exit(supervisor.run(asked, settings.shutdown_grace_s + STOP_MARGIN_S))


def _warn_if_open(settings: Settings) -> None:
    """Say that nobody has to show a key, or to log in."""
    if not settings.ingest_keys:
        say("warning: no FORWARDER_INGEST_KEYS__NAME is set: everybody on this machine may send, and nobody else")
    if not is_offered(settings) or not settings.console_is_open:
        return
    if is_loopback(settings.ingest_host):
        say(
            "warning: no FORWARDER_CONSOLE_USERS__NAME__PASSWORD is set: everybody on this machine is an operator of "
            "the console, and nobody else; `forwarder console-password` makes one"
        )
    else:
        say(
            "warning: the console is closed: others can reach this address and no FORWARDER_CONSOLE_USERS__NAME "
            "is set; `forwarder console-password` makes one, FORWARDER_CONSOLE=off says that none is wanted"
        )
