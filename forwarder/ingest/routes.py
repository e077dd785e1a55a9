"""Which path and method is answered by what; everything else is told so in the API's error shape."""

from collections.abc import Awaitable, Callable, Mapping
from typing import Final

from forwarder.answers import Reply, json_reply, refuse
from forwarder.ingest.asgi import Headers, Receive
from forwarder.ingest.cors import Cors
from forwarder.ingest.docs_page import docs_page
from forwarder.ingest.openapi import openapi
from forwarder.ingest.probes import Probes
from forwarder.settings import Settings

Handler = Callable[[Headers, Receive], Awaitable[Reply]]

FEEDBACK: Final = ("/v1/feedback/", "/v1/feedback")
_PAGE_POLICY: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'",
    "X-Content-Type-Options": "nosniff",
}


class Routes:
    """The table.

    Args:
        settings: what the OpenAPI description tells.
        cors: answers preflights.
        take: takes feedback.
        probes: what machines ask.
    """

    def __init__(self, settings: Settings, cors: Cors, take: Handler, probes: Probes) -> None:
        self._cors = cors
        description = openapi(settings)
        gets = {
            "/healthz": probes.health,
            "/readyz": probes.ready,
            "/metrics": probes.metrics,
            "/openapi.json": _always(json_reply(description)),
            "/docs": _always(Reply(200, docs_page(description), "text/html; charset=utf-8", _PAGE_POLICY)),
        }
        self._table: dict[str, Mapping[str, Handler]] = {path: {"POST": take} for path in FEEDBACK}
        self._table |= {path: {"GET": handler, "HEAD": handler} for path, handler in gets.items()}

    def find(self, method: str, path: str, headers: Headers) -> Handler:
        """Who answers.

        Raises:
            Refused: 404 or 405.
        """
        methods = self._table.get(path)
        if methods is None:
            raise _unknown(path)
        handler = methods.get(method)
        if handler is not None:
            return handler
        preflight = self._cors.preflight(headers) if method == "OPTIONS" and path in FEEDBACK else None
        if preflight is None:
            raise _not_allowed(f"{method[:20]} is not possible here; {' and '.join(methods)} is", ", ".join(methods))
        return _always(preflight)


def _always(reply: Reply) -> Handler:
    async def answer(_: Headers, __: Receive) -> Reply:
        return reply

    return answer


def _unknown(path: str) -> Exception:
    if path.startswith(FEEDBACK[0]):
        return _not_allowed(
            "feedback cannot be changed here: send updates to the Feedback API itself, with the id that it gave; "
            "that id exists only after delivery, and ours are not known there",
            allow="",
        )
    return refuse(404, "there is nothing at this path; feedback goes to /v1/feedback/, and /docs tells the rest")


def _not_allowed(message: str, allow: str) -> Exception:
    return refuse(405, message, headers={"Allow": allow})
