"""Logins to the console, shared by all processes that serve it: what a cookie stands for, and how often one was tried.

A cookie holds a random token and Redis its digest, so that whoever reads Redis cannot use what is there.
"""

import hashlib
from typing import Any, Final

from msgspec import Struct
from msgspec.structs import asdict

from forwarder.queue.connection import Client
from forwarder.queue.keys import OperatorKeys
from forwarder.queue.scripts import Step, run

TRIES_WINDOW_S: Final = 60
"""Tries are counted from the first one for so long."""


class Session(Struct, frozen=True):
    """One login.

    Attributes:
        kind: `user`, `token`, or `open` where nobody has to log in.
        name: of the user or token.
        proof: tells the hash that the password was checked against; when it is replaced the login is over.
        csrf: what a form that changes something must carry.
    """

    kind: str
    name: str
    proof: str
    csrf: str


def begin(client: Client, keys: OperatorKeys, token: str, session: Session, life_s: int) -> None:
    """Keep a login for so long."""
    key, fields = keys.session(_digest(token)), [part for pair in asdict(session).items() for part in pair]
    run(client, Step("session", [key], [life_s, *fields], bool))


def get(client: Client, keys: OperatorKeys, token: str) -> Session | None:
    """The login of a token; None when it is over, or never was."""
    fields: Any = client.hgetall(keys.session(_digest(token)))
    if len(fields) != len(Session.__struct_fields__):
        return None
    return Session(**{name.decode(): value.decode("utf-8", "replace") for name, value in fields.items()})


def end(client: Client, keys: OperatorKeys, token: str) -> None:
    """End a login."""
    client.delete(keys.session(_digest(token)))


def tried(client: Client, keys: OperatorKeys, who: str) -> int:
    """Count one try; answers how many there were lately, this one included."""
    step: Step[int] = Step("tried", [keys.logins(_digest(who))], [TRIES_WINDOW_S], int)
    return run(client, step)


def forget_tries(client: Client, keys: OperatorKeys, who: str) -> None:
    """One has succeeded."""
    client.delete(keys.logins(_digest(who)))


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()
