"""The edge of the program: whatever goes wrong ends as one line on standard error and an exit status, no traceback.

0 done · 1 failed · 2 called wrongly · 70 a defect of ours · 130 Ctrl-C · 141 nobody reads our output any more
"""

import errno
import os
import sys
import traceback
from typing import Any, Final

import typer
from typer.core import TyperGroup

from forwarder.errors import ForwarderError, UsageError

FAILED: Final = 1
MISUSED: Final = 2
DEFECT: Final = 70
INTERRUPTED: Final = 130
PIPE_CLOSED: Final = 141

_TYPERS_OWN = (typer.Exit, typer.Abort, typer.TyperException)
"""How typer ends a command; `Boundary.main` sees to them."""
_DISK: Final = (errno.ENOSPC, errno.EDQUOT, errno.EIO)
"""Trouble of whatever our output is written to."""


class Boundary(TyperGroup):
    """The group of all commands."""

    def main(self, *args: Any, **options: Any) -> Any:  # noqa: ANN401 - as declared by typer
        """Run the program; what typer has to say about wrong usage becomes one line as well."""
        try:
            status = super().main(*args, **{**options, "standalone_mode": False})
        except typer.Abort:
            say("error: not confirmed: nothing was done")
            sys.exit(FAILED)
        except typer.TyperException as error:
            _say_misuse(error)
            sys.exit(error.exit_code)
        sys.exit(status if isinstance(status, int) else 0)

    def invoke(self, ctx: Any) -> Any:  # noqa: ANN401 - as declared by typer
        """Run the command that was named."""
        try:
            answer = super().invoke(ctx)
            sys.stdout.flush()
        except _TYPERS_OWN:
            raise
        except (Exception, KeyboardInterrupt) as error:
            raise typer.Exit(_explained(error)) from None
        return answer


def _say_misuse(error: typer.TyperException) -> None:
    if type(error).__name__ == "NoArgsIsHelpError":  # the help has been printed
        return
    context = getattr(error, "ctx", None)
    hint = f" (see `{context.command_path} --help`)" if context else ""
    say(f"error: {' '.join(error.format_message().split())}{hint}")


def _explained(error: BaseException) -> int:
    """Say what happened; answers the exit status."""
    if isinstance(error, BrokenPipeError):
        return _nobody_reads()
    if isinstance(error, KeyboardInterrupt):
        say(str(error) or "interrupted")
        return INTERRUPTED
    if isinstance(error, ForwarderError):
        for line in str(error).splitlines():
            say(f"error: {line}")
        return MISUSED if isinstance(error, UsageError) else FAILED
    if isinstance(error, OSError) and (error.filename or error.errno in _DISK):
        say(f"error: {error.filename or 'writing'}: {error.strerror}")
        return FAILED
    if os.environ.get("FORWARDER_LOG_LEVEL", "").lower() == "debug":
        traceback.print_exception(error)
    first_line = str(error).partition("\n")[0]
    say(f"error: {type(error).__name__}: {first_line} (a defect; FORWARDER_LOG_LEVEL=debug shows the traceback)")
    return DEFECT


def say(line: str) -> None:
    """One line on standard error, what cannot be printed escaped."""
    from forwarder.cli.output import printable  # noqa: PLC0415 - rich is not needed unless something is said

    typer.echo(printable(line), err=True)


def _nobody_reads() -> int:
    """The reader of our output has gone (`| head`); what is still buffered must not be flushed at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return PIPE_CLOSED
