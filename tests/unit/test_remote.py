"""`forwarder --url`: what is no forwarder's address, token or answer is one clear line."""

import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from typer.testing import CliRunner
from typing_extensions import override

from forwarder.cli.app import app
from forwarder.errors import ForwarderError, UsageError
from forwarder.operations.letter_forms import Chosen
from forwarder.operations.operator import Nothing
from forwarder.operations.table import STATUS
from forwarder.remote import Remote


class _Elsewhere(BaseHTTPRequestHandler):
    """As a proxy that wants TLS, or a program that is none of ours: the path says with which status."""

    def do_GET(self) -> None:
        status = int(self.path.split("/")[1])
        self.send_response(status)
        self.send_header("location", "https://elsewhere.example/")
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"hi")

    @override
    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def elsewhere() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Elsewhere)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


ASKED: list[Callable[[Remote], object]] = [
    lambda remote: remote.do(STATUS, Nothing()),
    lambda remote: list(remote.export(Chosen())),
]


@pytest.mark.parametrize("ask", ASKED, ids=["do", "export"])
@pytest.mark.parametrize("status", [301, 308, 404, 502])
def test_an_answer_that_is_not_ours_is_told(elsewhere: str, status: int, ask: Callable[[Remote], object]) -> None:
    remote = Remote(f"{elsewhere}/{status}", "")
    with pytest.raises(ForwarderError, match=f"answers {status}: is a forwarder's console there"):
        ask(remote)
    remote.close()


@pytest.mark.parametrize("ask", ASKED, ids=["do", "export"])
def test_nobody_there_is_told(ask: Callable[[Remote], object]) -> None:
    remote = Remote("http://127.0.0.1:1", "")
    with pytest.raises(ForwarderError, match="cannot be reached"):
        ask(remote)
    remote.close()


@pytest.mark.parametrize(
    "url",
    [
        *("forwarder.example.com", "ftp://host", "http://", "http://user:secret@host", "http://host/?x=1"),
        *("http://[::1", "http://host:99999", "http://host:port", "http://host/\x00"),
    ],
)
def test_what_is_no_url_is_told(url: str) -> None:
    with pytest.raises(UsageError, match="is not the URL of a forwarder"):
        Remote(url, "")


@pytest.mark.parametrize("token", ["two words", "line\n", "caf\xe9"])
def test_what_is_no_token_is_told_without_it(token: str) -> None:
    with pytest.raises(UsageError, match="FORWARDER_TOKEN must be one word") as told:
        Remote("http://127.0.0.1:1", token)
    assert token not in str(told.value)


@pytest.mark.parametrize(
    ("url", "token", "warned"),
    [("http://0.0.0.0:1", "token", True), ("http://0.0.0.0:1", "", False), ("http://127.0.0.1:1", "token", False)],
)
def test_a_token_that_others_can_read_on_its_way_is_a_warning(
    monkeypatch: pytest.MonkeyPatch, url: str, token: str, *, warned: bool
) -> None:
    monkeypatch.setenv("FORWARDER_TOKEN", token)
    said = CliRunner().invoke(app, ["--url", url, "status"]).stderr
    assert ("FORWARDER_TOKEN goes to http://0.0.0.0:1 unencrypted" in said) == warned
    assert "cannot be reached" in said


@pytest.mark.parametrize("path", ["", "/", "/v1", "/console/", "/api"])
def test_the_paths_of_ingest_and_console_may_be_behind_it(path: str) -> None:
    remote = Remote(f"http://127.0.0.1:1{path}", "")
    assert remote.url == "http://127.0.0.1:1"
    remote.close()
