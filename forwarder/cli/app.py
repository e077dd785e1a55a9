"""The app: every command registered, and the console script."""

import sys
from typing import Annotated

import typer

from forwarder.cli import console, control, dead_letters, look, parts, planning, replay, send
from forwarder.cli.boundary import Boundary
from forwarder.cli.where import choose


def _version(asked: bool) -> None:
    if asked:
        from forwarder.version import UNKNOWN, own_version  # noqa: PLC0415 - only here

        known = own_version() != UNKNOWN
        typer.echo(f"forwarder {own_version()}" if known else "forwarder (not installed, run from its sources)")
        raise typer.Exit


app = typer.Typer(
    name="forwarder",
    cls=Boundary,
    help="Collect LLM feedback events on a Redis queue and deliver them in batches; nothing lost, everything counted.",
    epilog="Settings are FORWARDER_… variables or lines of .env; `forwarder config` shows them all.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


@app.callback()
def _options(
    ctx: typer.Context,
    url: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Operate over HTTP: where `forwarder serve` is, with FORWARDER_TOKEN; or set FORWARDER_URL.",
        ),
    ] = None,
    _: Annotated[bool, typer.Option("--version", help="Show the version.", callback=_version, is_eager=True)] = False,
) -> None:
    """Only what is common to all commands; its help stands above."""
    choose(url, ctx.invoked_subcommand)


for commands in (parts, send, look, planning, dead_letters, replay, control, console):
    commands.register(app)


def run() -> None:
    """Run the command that the process was called with."""
    for stream in (sys.stdout, sys.stderr):  # a terminal that cannot show a character gets its escape
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="backslashreplace")
    app(prog_name="forwarder")
