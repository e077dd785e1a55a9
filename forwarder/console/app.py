"""The application of /console and /api: what it holds, its routes, and how errors are shown."""

import asyncio
import contextlib
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

from redis.exceptions import RedisError
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import Receive, Scope, Send

from forwarder.answers import Reply, error_reply
from forwarder.console.access import Access
from forwarder.console.api import Api
from forwarder.console.fleet import Fleet
from forwarder.console.guard import guarded
from forwarder.console.letters import Letters
from forwarder.console.overview import Overview
from forwarder.console.pages import STATIC, Shield, Visit, away, page
from forwarder.console.replays import Replays
from forwarder.console.sessions import Logins
from forwarder.console.shared import Shared
from forwarder.console.trail import Trail
from forwarder.errors import ForwarderError, InvalidSettings, NotThere, QueueFull, QueueUnavailable, UsageError
from forwarder.ingest.errors import request_id
from forwarder.log import get_logger
from forwarder.queue.connection import connect
from forwarder.settings import Settings

PAGES: Final = (Overview, Letters, Replays, Fleet, Trail)


class Console:
    """The application, and what it holds.

    Args:
        settings: in force.

    Attributes:
        stopping: set when the server stops; what streams events to a browser ends then.
    """

    def __init__(self, settings: Settings) -> None:
        self.stopping = asyncio.Event()
        self._client = connect(settings)
        self._access = Access(settings, self._client)
        self._log = get_logger()
        handlers = {
            HTTPException: self._refused,
            ForwarderError: self._failed,
            RedisError: self._unreachable,
            Exception: self._defect,
        }
        self._app = Shield(Starlette(routes=self.routes(), exception_handlers=handlers))

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""
        with contextlib.suppress(Exception):  # what is not handled above was answered and logged, and is raised again
            await self._app(scope, receive, send)

    def close(self) -> None:
        """Let the connections go."""
        self._client.close()

    def routes(self) -> list[BaseRoute]:
        """All of them."""
        access = self._access
        shared = Shared(access, self._client, self.stopping)
        return [
            Mount("/console/static", StaticFiles(directory=STATIC)),
            Route("/console", _home, methods=["GET"]),
            *Logins(access, self._client).routes(),
            guarded(access, "/console/logout", self._logout, methods=("POST",), role="viewer"),
            *Api(access).routes(),
            *(route for kind in PAGES for route in kind(shared).routes()),
        ]

    def _logout(self, visit: Visit) -> Response:
        self._access.end(visit.person)
        response = away("/console/login")
        response.delete_cookie(self._access.cookie(visit.request), path="/")
        return response

    async def _refused(self, request: Request, error: Exception) -> Response:
        status, message = (error.status_code, error.detail) if isinstance(error, HTTPException) else (500, "")
        if status == HTTPStatus.NOT_FOUND and message == HTTPStatus.NOT_FOUND.phrase:
            message = "there is nothing at this path; /docs tells what the API has, /console/ is the console"
        return problem(request, status, message, getattr(error, "headers", None))

    async def _failed(self, request: Request, error: Exception) -> Response:
        status = next((status for kind, status in STATUSES if isinstance(error, kind)), 409)
        return problem(request, status, str(error))

    async def _unreachable(self, request: Request, error: Exception) -> Response:
        self._log.warning("redis_failed", path=request.url.path, reason=str(error))
        return problem(request, 503, "Redis does not answer, or refuses us; the log has the reason")

    async def _defect(self, request: Request, error: Exception) -> Response:
        self._log.error("request_failed", path=request.url.path, exc_info=error)
        return problem(request, 500, "a defect of the server; it has been logged")


STATUSES: Final = (
    (NotThere, 404),
    (InvalidSettings, 404),  # a destination that is not configured
    (UsageError, 422),
    (QueueUnavailable, 503),
    (QueueFull, 503),
)
"""What an error is to whoever asked; others are a conflict with how things stand."""


def problem(request: Request, status: int, message: str, headers: Mapping[str, str] | None = None) -> Response:
    """An error as a page, or in the API's shape."""
    if request.url.path.startswith("/api"):
        given = {name: value for name, value in request.headers.raw if name == b"x-request-id"}
        return plain(error_reply(status, message, headers={**(headers or {}), "X-Request-Id": request_id(given)}))
    response = page("error.html", status=status, title=HTTPStatus(status).phrase, message=message)
    response.headers.update(headers or {})
    return response


def plain(reply: Reply) -> Response:
    """A reply as Starlette sends it."""
    return Response(reply.body, reply.status, dict(reply.headers), reply.content_type)


async def _home(_: Request) -> Response:
    return away("/console/", 307)
