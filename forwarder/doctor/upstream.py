"""What the doctor learns of an upstream: its name, a connection, TLS, and what it says to our key.

The key is shown with an array without events, which an upstream may refuse but cannot store. No redirect is followed.
"""

import contextlib
import http.client
import json
import socket
import ssl
import time
from dataclasses import dataclass
from typing import Final, Literal
from urllib.parse import urlsplit

from forwarder.upstream_settings import Upstream

Reached = Literal["nothing", "name", "connection", "tls", "answer"]
PORTS: Final = {"http": 80, "https": 443}
DAY_S: Final = 86_400


@dataclass(frozen=True, slots=True)
class UpstreamFacts:
    """How far we came.

    Attributes:
        destination: its name.
        url: where batches are posted.
        reached: the last step that succeeded.
        error: why the next one did not; empty when all did.
        has_key: whether a key is configured.
        status: of its answer; None without one.
        words: the beginning of the answer, in which a key is masked.
        certificate_days: until its certificate runs out; None without TLS.
    """

    destination: str
    url: str
    reached: Reached
    error: str
    has_key: bool
    status: int | None = None
    words: str = ""
    certificate_days: float | None = None


def ask_upstream(destination: str, upstream: Upstream) -> UpstreamFacts:
    """Go as far as we can; raises nothing."""
    return _Visit(destination, upstream).paid()


class _Visit:
    """One connection, step by step."""

    def __init__(self, destination: str, upstream: Upstream) -> None:
        self._destination = destination
        self._upstream = upstream
        self._parts = urlsplit(upstream.url)
        self._host = self._parts.hostname or ""
        self._port = self._parts.port or PORTS[self._parts.scheme]
        self._reached: Reached = "nothing"
        self._days: float | None = None

    def paid(self) -> UpstreamFacts:
        try:
            socket.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
            self._reached = "name"
            with socket.create_connection((self._host, self._port), self._upstream.connect_timeout_s) as plain:
                self._reached = "connection"
                plain.settimeout(self._upstream.request_timeout_s)
                with self._secured(plain) as connection:
                    status, words = self._asked(connection)
        except (OSError, ValueError, http.client.HTTPException) as error:
            return self._facts(error=_worded(error))
        self._reached = "answer"
        return self._facts(status=status, words=words)

    def _secured(self, plain: socket.socket) -> socket.socket:
        if self._parts.scheme != "https":
            return plain
        secured = ssl.create_default_context().wrap_socket(plain, server_hostname=self._host)
        self._reached = "tls"
        certificate = secured.getpeercert() or {}
        if ends := certificate.get("notAfter"):
            self._days = (ssl.cert_time_to_seconds(str(ends)) - time.time()) / DAY_S
        return secured

    def _asked(self, connection: socket.socket) -> tuple[int, str]:
        asking = http.client.HTTPConnection(self._host, self._port)
        asking.sock = connection
        asking.request("POST", self._parts.path, b"[]", {"content-type": "application/json", **self._key_header})
        answer = asking.getresponse()
        words = answer.read(1_000).decode("utf-8", "replace")
        return answer.status, self._upstream.without_key(_message(words))

    @property
    def _key_header(self) -> dict[str, str]:
        key = self._upstream.key
        if not key:
            return {}
        if self._upstream.auth_scheme == "bearer":
            return {"authorization": f"Bearer {key}"}
        return {"x-portkey-api-key": key}

    def _facts(self, *, error: str = "", status: int | None = None, words: str = "") -> UpstreamFacts:
        has_key = bool(self._upstream.key)
        return UpstreamFacts(
            self._destination, self._upstream.url, self._reached, error, has_key, status, words, self._days
        )


def _message(body: str) -> str:
    """The upstream's own words, as far as they are a message; one line."""
    with contextlib.suppress(ValueError, KeyError, TypeError):
        body = json.loads(body)["error"]["message"]
    return " ".join(str(body).split())[:200]


def _worded(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    if isinstance(error, ssl.SSLCertVerificationError):
        return error.verify_message
    return str(error.strerror) if isinstance(error, OSError) and error.strerror else str(error) or type(error).__name__
