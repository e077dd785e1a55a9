"""Pages: templates in which everything is escaped, forms, and the header that lets nothing from elsewhere in."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs

from jinja2 import Environment, PackageLoader, StrictUndefined
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response, StreamingResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from forwarder.answers import JSON_LINES
from forwarder.console.access import Person
from forwarder.console.shown import shown_count
from forwarder.dead.selection import trace_id_of
from forwarder.queue.entry_ids import place
from forwarder.times import shown_moment

FORM_MAX_BYTES: Final = 1_048_576
PIECE_BYTES: Final = 65_536
UNNAMED: Final = "(no trace id)"
STATIC: Final = Path(__file__).with_name("static")

_POLICY: Final = "; ".join(
    (
        "default-src 'none'",
        *(f"{kind} 'self'" for kind in ("script-src", "style-src", "img-src", "connect-src", "font-src")),
        "form-action 'self'",
        "frame-ancestors 'none'",
        "base-uri 'none'",
    )
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}

templates: Final = Environment(
    loader=PackageLoader("forwarder.console"),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)


templates.filters.update(
    count=shown_count,
    moment=shown_moment,
    died=lambda letter_id: shown_moment(place(letter_id)[0]),
    trace_id=lambda body: trace_id_of(body.encode("utf-8", "replace")) or UNNAMED,
)


@dataclass(frozen=True, slots=True)
class Visit:
    """One request of somebody who may make it.

    Attributes:
        request: itself.
        person: who.
        form: the fields of a form, each with its values; empty when none was sent.
    """

    request: Request
    person: Person
    form: Mapping[str, list[str]] = field(default_factory=dict)

    @property
    def pairs(self) -> list[tuple[str, str]]:
        """The fields of a form, as they came."""
        return [(name, value) for name, values in self.form.items() for value in values]

    def given(self, name: str) -> str:
        """A field's last value; empty when it is missing."""
        return self.form.get(name, [""])[-1]


def page(template: str, *, person: Person | None = None, status: int = 200, **context: Any) -> HTMLResponse:  # noqa: ANN401 - whatever it shows
    """A page.

    Args:
        template: its file.
        person: who is to see it; None before the login.
        status: of the answer.
        context: what the template shows.
    """
    return HTMLResponse(rendered(template, person=person, **context), status)


def rendered(template: str, **context: Any) -> str:  # noqa: ANN401 - whatever it shows
    """A template, filled in."""
    return templates.get_template(template).render(**context)


async def form_of(request: Request) -> dict[str, list[str]]:
    """The fields of a form as browsers send it.

    Raises:
        HTTPException: 413 or 415.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    body = await body_of(request, FORM_MAX_BYTES)
    if not body:
        return {}
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "a form is wanted (application/x-www-form-urlencoded)")
    try:
        return parse_qs(body.decode(), keep_blank_values=True, max_num_fields=1_000)
    except ValueError:
        raise HTTPException(400, "the form cannot be read") from None


async def body_of(request: Request, most: int) -> bytes:
    """A request's body.

    Raises:
        HTTPException: 413, it has more bytes than that.
    """
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > most:
            raise HTTPException(413, f"the body is too large; {most:,} bytes are the most")
    return bytes(body)


class Shield:
    """Puts HEADERS on every answer that does not have its own.

    Args:
        app: what answers.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request."""

        async def shielded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, shielded)


def _in_pieces(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Lines in larger pieces, to be streamed: each piece is a turn of the event loop."""
    piece = bytearray()
    for line in lines:
        piece += line
        if len(piece) >= PIECE_BYTES:
            yield bytes(piece)
            piece.clear()
    yield bytes(piece)


def download(lines: Iterable[bytes], destination: str) -> Response:
    """Dead letters as a file, sent as they are read; what fails before the first piece has a status of its own.

    Args:
        lines: of the file; may wait for Redis.
        destination: whose they are; it is configured.
    """
    pieces = _in_pieces(lines)
    first = next(pieces, b"")
    headers = {"Content-Disposition": f'attachment; filename="dead-letters-{destination}.jsonl"'}
    return StreamingResponse(chain([first], pieces), headers=headers, media_type=JSON_LINES)


def away(to: str, status: int = 303) -> Response:
    """Send the browser to another page of ours."""
    return Response(status_code=status, headers={"Location": to})
