"""The JSON API: every operation of the table as a route; tokens, sessions, or this machine alone."""

from typing import Any, Final, get_origin

import msgspec
from msgspec.structs import fields
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from forwarder.console.access import Access, Person, is_own_page, is_proven
from forwarder.console.guard import CLOSED
from forwarder.console.pages import body_of, download
from forwarder.operations.table import EXPORT, OPERATIONS, Operation
from forwarder.parts import UNDECODABLE

BODY_MAX_BYTES: Final = 33_554_432
"""A map of trace ids may be large."""


class Api:
    """The routes.

    Args:
        access: tells who asks.
    """

    def __init__(self, access: Access) -> None:
        self._access = access

    def routes(self) -> list[Route]:
        """All of them."""
        return [self._route(operation) for operation in OPERATIONS]

    def _route(self, operation: Operation[Any, Any]) -> Route:
        async def answer(request: Request) -> Response:
            person = await run_in_threadpool(self._admitted, request, changes=operation.changes)
            asked = await _asked(request, operation)
            operator = self._access.operator(person, "api")
            found = await run_in_threadpool(operation.run, operator, asked)
            if operation is EXPORT:
                return await run_in_threadpool(download, found, asked.destination)
            return Response(msgspec.json.encode(found), media_type="application/json")

        return Route(operation.path, answer, methods=[operation.method], name=operation.name)

    def _admitted(self, request: Request, *, changes: bool) -> Person:
        """Who asks, if they may.

        Raises:
            HTTPException: 401 or 403.
        """
        access = self._access
        if access.is_closed:
            raise HTTPException(403, CLOSED)
        person = access.bearer(request) or self._of_a_browser(request, changes=changes)
        if person is None and access.settings.console_is_open:
            raise HTTPException(403, "no token is configured, so only this machine is served, under its own name")
        if person is None:
            raise HTTPException(
                401,
                "a token is wanted, as Authorization: Bearer; `forwarder console-token` makes one",
                {"WWW-Authenticate": "Bearer"},
            )
        if changes and not person.may_change:
            raise HTTPException(403, f"{person.name} is a viewer: this needs an operator")
        return person

    def _of_a_browser(self, request: Request, *, changes: bool) -> Person | None:
        """Who asks without a token: by their session, or because nobody has to show anything."""
        if not is_own_page(request.headers):
            raise HTTPException(403, "this came from another site's page")
        person = self._access.person(request)
        if person is None or self._access.settings.console_is_open:
            return self._access.anybody(request)
        if changes and not is_proven(person, request.headers.get("x-csrf-token", "")):
            raise HTTPException(403, "x-csrf-token is not the one of this session")
        return person


async def _asked(request: Request, operation: Operation[Any, Any]) -> Any:  # noqa: ANN401 - what the operation takes
    """What is asked for, from path and query or body.

    Raises:
        HTTPException: 400, 413, 415 or 422.
    """
    in_query = operation.method == "GET"
    given = _query(request, operation.asked) if in_query else await _body(request)
    try:
        return msgspec.convert({**given, **request.path_params}, operation.asked, strict=not in_query)
    except msgspec.ValidationError as error:
        raise HTTPException(422, str(error)) from None


def _query(request: Request, asked: type) -> dict[str, Any]:
    """The query: of what may come several times all, else the last."""
    several = {field.name for field in fields(asked) if get_origin(field.type) in (tuple, list)}
    query = request.query_params
    return {name: query.getlist(name) if name in several else query[name] for name in query}


async def _body(request: Request) -> dict[str, Any]:
    body = await body_of(request, BODY_MAX_BYTES)
    if not body:
        return {}
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise HTTPException(415, "send application/json")
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.ValidationError as error:
        raise HTTPException(422, f"the body: {error}") from None
    except UNDECODABLE as error:
        raise HTTPException(400, f"the body is not JSON: {str(error)[:200]}") from None
