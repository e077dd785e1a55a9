"""The operations over HTTP: what `forwarder --url` does in place of speaking to Redis, with the same answers."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import httpx
import msgspec

from forwarder.errors import ForwarderError, NotThere, UsageError
from forwarder.operations.letter_forms import Chosen
from forwarder.operations.table import EXPORT, Operation
from forwarder.settings import DEFAULT_DESTINATION

Asked = TypeVar("Asked")
Answer = TypeVar("Answer")

_TOKEN: Final = re.compile(r"[\x21-\x7e]*")
TIMEOUT_S: Final = 600.0
"""For an answer: the groups of millions of dead letters take a while."""
CONNECT_S: Final = 10.0
_SUFFIXES: Final = ("/v1", "/console", "/api")
_ERRORS: Final[dict[int, type[ForwarderError]]] = {404: NotThere, 422: UsageError}


class Remote:
    """A forwarder that somebody serves.

    Args:
        url: where; the paths of its ingest or console may be behind it.
        token: shown to it; empty for none.

    Raises:
        UsageError: the URL leads nowhere, or the token is none.
    """

    def __init__(self, url: str, token: str) -> None:
        self.url = _base(url)
        if not _TOKEN.fullmatch(token):
            raise UsageError("FORWARDER_TOKEN must be one word, as `forwarder console-token` has shown it")
        headers = {"authorization": f"Bearer {token}"} if token else {}
        timeout = httpx.Timeout(TIMEOUT_S, connect=CONNECT_S)
        self._http = httpx.Client(base_url=self.url, headers=headers, timeout=timeout)
        self._has_token = bool(token)

    def close(self) -> None:
        """Let the connection go."""
        self._http.close()

    def do(self, operation: Operation[Asked, Answer], asked: Asked) -> Answer:
        """Have an operation done.

        Raises:
            ForwarderError: it was not, in the words of the server; or nobody answers.
        """
        with self._reaching():
            answer = self._http.send(self._request(operation, asked))
        self._check(answer)
        try:
            done: Answer = msgspec.json.decode(answer.content, type=operation.answer)
        except msgspec.DecodeError as error:
            raise ForwarderError(
                f"{self.url} answers in a way that is not ours ({error}): is it as new as this?"
            ) from None
        return done

    def export(self, asked: Chosen) -> Iterator[bytes]:
        """Dead letters as JSON lines, as they come."""
        with self._reaching():
            answer = self._http.send(self._request(EXPORT, asked), stream=True)
            try:
                if not answer.is_success:
                    answer.read()
                self._check(answer)
                yield from answer.iter_bytes()
            finally:
                answer.close()

    def _request(self, operation: Operation[Any, Any], asked: object) -> httpx.Request:
        given: dict[str, Any] = msgspec.to_builtins(asked)
        path = operation.path
        for name in [name for name in given if f"{{{name}}}" in path]:
            path = path.replace(f"{{{name}}}", quote(str(given.pop(name)), safe=""))
        path = path.replace("{destination}", DEFAULT_DESTINATION)  # what is left out is the default
        if operation.method == "GET":
            return self._http.build_request("GET", path, params=_query(given))
        return self._http.build_request(operation.method, path, json=given)

    @contextmanager
    def _reaching(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            reason = str(error) or type(error).__name__
            raise ForwarderError(
                f"{self.url} cannot be reached ({reason}); is FORWARDER_URL, or --url, right?"
            ) from None

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        message = _message(answer)
        if answer.status_code == httpx.codes.UNAUTHORIZED:
            state = "is not right" if self._has_token else "is not set"
            raise ForwarderError(f"{self.url} wants a token and FORWARDER_TOKEN {state}: `forwarder console-token`")
        if not message or "x-request-id" not in answer.headers:  # of something else
            raise ForwarderError(f"{self.url} answers {answer.status_code}: is a forwarder's console there?")
        raise _ERRORS.get(answer.status_code, ForwarderError)(message)


def _query(given: dict[str, Any]) -> list[tuple[str, str | int | float | bool | None]]:
    pairs: list[tuple[str, str | int | float | bool | None]] = []
    for name, value in given.items():
        values = value if isinstance(value, list | tuple) else [value]
        pairs += [(name, str(one).lower() if isinstance(one, bool) else str(one)) for one in values if one is not None]
    return pairs


def _message(answer: httpx.Response) -> str:
    try:
        return str(msgspec.json.decode(answer.content)["error"]["message"])
    except (msgspec.DecodeError, LookupError, TypeError):
        return ""


def _base(url: str) -> str:
    if not _can_be_called(url):
        raise UsageError(f"{url!r} is not the URL of a forwarder: it looks like https://forwarder.example.com")
    base = url.rstrip("/")
    for suffix in _SUFFIXES:
        base = base.removesuffix(suffix)
    return base


def _can_be_called(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port, httpx.URL(url)  # both raise for what they cannot take
    except (ValueError, httpx.InvalidURL):
        return False
    besides = parts.username or parts.query or parts.fragment
    return parts.scheme in ("http", "https") and bool(parts.hostname) and not besides
