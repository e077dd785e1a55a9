"""Routes that ask who it is first; whatever changes something wants an operator and a proof that they meant it."""

import inspect
from collections.abc import Awaitable, Callable
from typing import Final
from urllib.parse import quote

from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forwarder.console.access import OPEN, SAFE, Access, Person, is_own_page, is_proven
from forwarder.console.pages import Visit, away, form_of
from forwarder.console.sessions import with_cookie

CLOSED: Final = (
    "the console is closed: others can reach this address and nobody is configured who could log in; set "
    "FORWARDER_CONSOLE_USERS__NAME__PASSWORD (made by `forwarder console-password`), or listen on 127.0.0.1"
)
Endpoint = Callable[[Visit], Response | Awaitable[Response]]
"""Answers a visit; one that is no coroutine runs in a thread, and may wait for Redis."""


def guarded(
    access: Access, path: str, endpoint: Endpoint, *, methods: tuple[str, ...] = ("GET",), role: str | None = None
) -> Route:
    """A page, or what its forms call.

    Args:
        access: tells who asks.
        path: of the route.
        endpoint: answers.
        methods: any but GET and HEAD need an operator and the session's CSRF token.
        role: what is needed instead; `viewer` for a POST that changes nothing of the queue.
    """

    async def answer(request: Request) -> Response:
        changes = request.method not in SAFE
        person = await run_in_threadpool(visitor, access, request)
        if person is None:
            return _to_login(request)
        form = await form_of(request) if changes else {}
        if changes:
            _check_proof(request, person, form.get("csrf", [""])[-1])
        if (role or ("operator" if changes else "viewer")) == "operator" and not person.may_change:
            raise HTTPException(403, f"{person.name} is a viewer: this needs an operator")
        response = await answered(endpoint, Visit(request, person, form))
        is_new = person.token and person.token != request.cookies.get(access.cookie(request))
        return with_cookie(access, request, response, person.token) if is_new else response

    return Route(path, answer, methods=list(methods))


def visitor(access: Access, request: Request) -> Person | None:
    """Who looks at a page; begins a session where nobody has to log in.

    Raises:
        HTTPException: 403; nobody may.
    """
    if access.is_closed:
        raise HTTPException(403, CLOSED)
    person = access.person(request)
    if not access.settings.console_is_open:
        return person
    if access.anybody(request) is None:
        raise HTTPException(403, "nobody has to log in here, so only this machine is served, under its own name")
    return person or access.begin(OPEN, "")


async def answered(endpoint: Endpoint, visit: Visit) -> Response:
    """What an endpoint answers, in a thread when it waits by itself."""
    if inspect.iscoroutinefunction(endpoint):
        response: Response = await endpoint(visit)
        return response
    return await run_in_threadpool(endpoint, visit)  # type: ignore[arg-type] # it is none


def _check_proof(request: Request, person: Person, offered: str) -> None:
    if not is_own_page(request.headers):
        raise HTTPException(403, "this came from another site's page")
    if not is_proven(person, request.headers.get("x-csrf-token", offered)):
        raise HTTPException(403, "the form is not of this session: load the page again")


def _to_login(request: Request) -> Response:
    if request.method not in SAFE:
        raise HTTPException(401, "the session is over: log in again")
    query = f"?{request.url.query}" if request.url.query else ""
    return away(f"/console/login?next={quote(request.url.path + query, safe='')}")
