"""Who is it, and may they: sessions of the console, tokens of the API, and nobody at all on a machine of one's own.

With a user or token configured, everybody shows a session or a token. With none, only this machine is served, as by the
ingest without keys: whoever can reach the loopback address is an operator. So that no page of the web reaches it
through a browser here, such requests must name this machine as their host and come from our own pages.
"""

import hashlib
import hmac
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from forwarder.console.hashes import hash_token, proof
from forwarder.console_settings import Role
from forwarder.listening import is_loopback
from forwarder.operations.operator import Operator
from forwarder.queue import sessions
from forwarder.queue.connection import Client
from forwarder.queue.keys import OperatorKeys
from forwarder.queue.sessions import Session
from forwarder.settings import Settings

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
COOKIE: Final = "forwarder_session"
SECURE_COOKIE: Final = "__Host-forwarder_session"
"""The same behind TLS; browsers let nobody else set a cookie of this name."""
OPEN: Final = "open"
_BEARER: Final = "bearer "


@dataclass(frozen=True, slots=True)
class Person:
    """Who asks.

    Attributes:
        name: of the user, or of the token as `token:NAME`; `local` where nobody has to log in.
        role: viewer or operator.
        csrf: what their forms must carry; empty when they come without a session.
        token: of their session; empty likewise.
    """

    name: str
    role: Role
    csrf: str = ""
    token: str = ""

    @property
    def may_change(self) -> bool:
        """Whether they may do more than look."""
        return self.role == "operator"


class Access:
    """Tells who asks.

    Args:
        settings: users, tokens, and where the server listens.
        client: of the queue, where sessions are kept.
    """

    def __init__(self, settings: Settings, client: Client) -> None:
        self.settings = settings
        self._client = client
        self._keys = OperatorKeys(settings.key_prefix)

    @property
    def is_closed(self) -> bool:
        """Whether others can reach the server and nobody could log in: then nothing is served."""
        return self.settings.console_is_open and not is_loopback(self.settings.ingest_host)

    def person(self, request: Request) -> Person | None:
        """Who asks, by session; None when it is not known."""
        token = request.cookies.get(self.cookie(request), "")
        session = sessions.get(self._client, self._keys, token) if token else None
        if session is None:
            return None
        role = self._role(session)
        return role and Person(_shown(session), role, session.csrf, token)

    def bearer(self, request: Request) -> Person | None:
        """Who asks, by `Authorization: Bearer`; every configured token is compared, whichever matches."""
        header = request.headers.get("authorization", "")
        offered = header[len(_BEARER) :].strip() if header[: len(_BEARER)].lower() == _BEARER else ""
        return self.holder(offered)

    def holder(self, offered: str) -> Person | None:
        """Whose token this is; None when it is nobody's."""
        digest, found = hash_token(offered), None
        for name, one in self.settings.console_tokens.items():
            if hmac.compare_digest(one.token.get_secret_value(), digest):
                found = Person(f"token:{name}", one.role)
        return found if offered else None

    def anybody(self, request: Request) -> Person | None:
        """An operator, where nobody has to log in and the request comes from this machine; else None."""
        host = urlsplit(f"//{request.headers.get('host', '')}").hostname or ""
        peer = request.client.host if request.client else ""
        alone = self.settings.console_is_open and not self.is_closed
        return Person("local", "operator") if alone and is_loopback(host) and is_loopback(peer) else None

    def operator(self, person: Person, via: str) -> Operator:
        """The same at work, by `console` or `api`."""
        return Operator(self.settings, self._client, person.name, via)

    def begin(self, kind: str, name: str) -> Person:
        """Begin a session, in which `person` finds this one again."""
        token, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
        session = Session(kind, name, self._proof(kind, name), csrf)
        sessions.begin(self._client, self._keys, token, session, self.settings.console_session_s)
        role = self._role(session)
        if role is None:
            raise LookupError(f"{kind} {name} is not configured")
        return Person(_shown(session), role, csrf, token)

    def end(self, person: Person) -> None:
        """End a session."""
        sessions.end(self._client, self._keys, person.token)

    def cookie(self, request: Request) -> str:
        """The name of the session's cookie."""
        return SECURE_COOKIE if self.is_tls(request) else COOKIE

    def is_tls(self, request: Request) -> bool:
        """Whether the browser speaks TLS, to us or to the proxy before us."""
        forwarded = request.headers.get("x-forwarded-proto", "").partition(",")[0].strip().lower()
        return self.settings.console_secure or "https" in (forwarded, request.url.scheme)

    def _role(self, session: Session) -> Role | None:
        """As configured now; None when the user is gone or has a new password."""
        expected = self._proof(session.kind, session.name)
        if not expected or not hmac.compare_digest(expected.encode(), session.proof.encode()):
            return None
        if session.kind == OPEN:
            return "operator"
        users, tokens = self.settings.console_users, self.settings.console_tokens
        return users[session.name].role if session.kind == "user" else tokens[session.name].role

    def _proof(self, kind: str, name: str) -> str:
        """Empty when there is no such user or token."""
        if kind == "user" and (user := self.settings.console_users.get(name)):
            return proof(user.password.get_secret_value())
        if kind == "token" and (token := self.settings.console_tokens.get(name)):
            return proof(token.token.get_secret_value())
        return OPEN if kind == OPEN and self.settings.console_is_open else ""


def is_own_page(headers: Mapping[str, str]) -> bool:
    """Whether a request comes from a page of ours, or from no browser at all."""
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in ("same-origin", "none")
    origin = headers.get("origin")
    return origin is None or urlsplit(origin).netloc == headers.get("host", "")


def is_proven(person: Person, offered: str) -> bool:
    """Whether the form was made for this session."""
    return bool(person.csrf) and hmac.compare_digest(person.csrf.encode(), offered.encode("utf-8", "replace"))


def throttled_as(*parts: str) -> str:
    """A name under which tries are counted."""
    return hashlib.sha256("\0".join(parts).encode("utf-8", "replace")).hexdigest()


def _shown(session: Session) -> str:
    return {"token": f"token:{session.name}", OPEN: "local"}.get(session.kind, session.name)
