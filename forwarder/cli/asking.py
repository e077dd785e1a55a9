"""Ask before something is done that cannot be undone."""

import typer

from forwarder.errors import ForwarderError


def ask(question: str, *, yes: bool) -> None:
    """Ask, unless the answer is known.

    Raises:
        ForwarderError: the answer is no.
    """
    if not yes and not typer.confirm(question, err=True):
        raise ForwarderError("not confirmed: nothing was done")
