"""Login and logout: a password or a token for a session; tries are counted, and too many refused for a while."""

import threading
from typing import Final
from urllib.parse import urlsplit

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forwarder.console.access import Access, Person, is_own_page, throttled_as
from forwarder.console.hashes import PASSWORD_MAX_BYTES, hash_password, is_password
from forwarder.console.pages import away, form_of, page
from forwarder.log import get_logger
from forwarder.queue import sessions
from forwarder.queue.connection import Client
from forwarder.queue.keys import OperatorKeys

HOME: Final = "/console/"
TRIES_OF_ONE: Final = 5
"""A minute, for one name from one address."""
TRIES_OF_ALL: Final = 50
"""A minute, for one name from anywhere, and from one address for any name."""
_hashing: Final = threading.BoundedSemaphore(2)
"""A hash takes 32 MiB and a while of CPU; whoever tries many passwords at once must not take all of either."""
WRONG: Final = "That is no name and password, or token, of this console."
THROTTLED_STATUS: Final = 429
THROTTLED: Final = f"Too many tries: wait {sessions.TRIES_WINDOW_S} seconds."


class Logins:
    """The pages of the login.

    Args:
        access: tells who asks, and begins sessions.
        client: of the queue, where tries are counted.
    """

    def __init__(self, access: Access, client: Client) -> None:
        self._access = access
        self._client = client
        self._keys = OperatorKeys(access.settings.key_prefix)
        self._nobody = hash_password("")
        self._log = get_logger()

    def routes(self) -> list[Route]:
        """Where they are."""
        return [
            Route("/console/login", self.form, methods=["GET"]),
            Route("/console/login", self.login, methods=["POST"]),
        ]

    async def form(self, request: Request) -> Response:
        """The empty form; whoever needs none is sent on."""
        wanted = _inside(request.query_params.get("next", ""))
        person = await run_in_threadpool(self._access.person, request)
        if person or self._access.settings.console_is_open:
            return away(wanted)
        return page("login.html", wanted=wanted, name="", problem="")

    async def login(self, request: Request) -> Response:
        """Check what was typed."""
        if not is_own_page(request.headers):
            raise HTTPException(403, "this came from another site's page")
        form = await form_of(request)
        name, password, wanted = (form.get(field, [""])[-1] for field in ("name", "password", "next"))
        name = name.strip().lower()
        address = request.client.host if request.client else ""
        person, problem, status = await run_in_threadpool(self._check, name, password, address)
        if person is None:
            again = page("login.html", wanted=_inside(wanted), name=name, problem=problem, status=status)
            if status == THROTTLED_STATUS:
                again.headers["Retry-After"] = str(sessions.TRIES_WINDOW_S)
            return again
        return with_cookie(self._access, request, away(_inside(wanted)), person.token)

    def _check(self, name: str, password: str, address: str) -> tuple[Person | None, str, int]:
        counted = {throttled_as(name, address): TRIES_OF_ONE, throttled_as(name): TRIES_OF_ALL}
        counted[throttled_as("", address)] = TRIES_OF_ALL
        tries = {who: sessions.tried(self._client, self._keys, who) for who in counted}
        if any(tries[who] > most for who, most in counted.items()):
            self._log.warning("login_throttled", name=name[:80], address=address)
            return None, THROTTLED, THROTTLED_STATUS
        kind, known = self._known(name, password)
        if not known:
            self._log.warning("login_refused", name=name[:80], address=address)
            return None, WRONG, 401
        for who in counted:
            sessions.forget_tries(self._client, self._keys, who)
        return self._access.begin(kind, known), "", 303

    def _known(self, name: str, password: str) -> tuple[str, str]:
        """Of which kind, and who; empty when it is wrong, for which an unknown name takes as long as a known one."""
        if not name:
            holder = self._access.holder(password)
            return "token", holder.name.removeprefix("token:") if holder else ""
        user = self._access.settings.console_users.get(name)
        hashed = user.password.get_secret_value() if user else self._nobody
        if len(password.encode("utf-8", "replace")) > PASSWORD_MAX_BYTES:
            return "user", ""
        with _hashing:
            fits = is_password(password, hashed)
        return "user", name if user and fits else ""


def with_cookie(access: Access, request: Request, response: Response, token: str) -> Response:
    """The answer that also begins the session in the browser."""
    response.set_cookie(
        access.cookie(request),
        token,
        max_age=access.settings.console_session_s,
        path="/",
        secure=access.is_tls(request),
        httponly=True,
        samesite="lax",  # a link in a chat leads on; what changes something carries the session's token besides
    )
    return response


def _inside(wanted: str) -> str:
    """Where to go after the login: only within the console."""
    parts = urlsplit(wanted)
    inside = wanted.startswith(HOME) and not parts.netloc and not parts.scheme and "\\" not in wanted
    return wanted if inside and wanted.isascii() and wanted.isprintable() else HOME
