"""What `up`, `worker` and `sandbox` do."""

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


def up() -> None:
    """Run everything on this machine, until somebody asks to stop.

    Raises:
        ForwarderError: something cannot run.
    """
    for extra in ("worker", "ingest"):
        require(extra)
    from forwarder.cli.up import Up  # noqa: PLC0415 - extras

    settings = settings_in_force()
    configure_logging(settings)
    Up(settings).run()


def work(count: int, *, burst: bool) -> None:
    """Run workers until somebody asks to stop; exits with their status.

    Args:
        count: processes.
        burst: they end when nothing waits any more.

    Raises:
        InvalidSettings: an upstream has no key.
        QueueUnavailable: Redis does not answer, or refuses us.
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
    """Run the sandbox until somebody asks to stop.

    Raises:
        ForwarderError: its port or its file cannot be used.
    """
    require("sandbox")
    from forwarder.sandbox.server import serve  # noqa: PLC0415 - an extra

    settings = settings_in_force()
    configure_logging(settings, part="sandbox")
    serve(settings, announce=True)


def _check_upstreams(settings: Settings) -> None:
    for name in settings.destination_names:
        upstream = settings.upstream(name)
        if not upstream.has_key:
            raise InvalidSettings(
                f"{scope_of(name)}API_KEY is not set: the Feedback API wants a key; "
                "to try without one, `forwarder up` forwards to a sandbox"
            )
        _ = upstream.key  # raises when its file cannot be read
