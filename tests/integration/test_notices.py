"""What operators are told of: each thing once for the whole fleet, signed, and posted again until it has arrived."""

import base64
import contextlib
import hashlib
import hmac
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from forwarder.queue import notices
from forwarder.queue.notices import Notice
from forwarder.queue.scripts import run
from tests.integration.conftest import StartRig
from tests.support.letters import bury
from tests.support.rig import Rig
from tests.support.waiting import eventually
from workers import webhook

SECRET = "whsec_" + base64.b64encode(b"a secret of the test").decode()


class Receiver:
    """A webhook; fails as often as it is told to."""

    def __init__(self) -> None:
        self.received: list[tuple[dict[str, str], bytes]] = []
        self.fails = 0
        ours = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                ours.received.append(({name.lower(): value for name, value in self.headers.items()}, body))
                self.send_response(500 if len(ours.received) <= ours.fails else 204)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}/hook"
        self._thread = threading.Thread(target=self._server.serve_forever)
        self._thread.start()

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class Endless(BaseHTTPRequestHandler):
    """A webhook that says yes, and goes on talking."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.end_headers()
        with contextlib.suppress(OSError):  # nobody listens any more
            while True:
                self.wfile.write(b"x" * 65_536)

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    started = Receiver()
    yield started
    started.stop()


def told(rig: Rig, *, paused: bool = False, age_ms: int = 300_000, quiet_ms: int = 300_000) -> list[Notice]:
    step = notices.notice(
        rig.keys, paused=paused, reason="HTTP 401", quiet_ms=quiet_ms, backlog_age_ms=age_ms, posted=False
    )
    return run(rig.redis, step)


def a_minute_later(rig: Rig) -> None:
    """What was told was told more than a minute ago."""
    known: Any = rig.redis.hgetall(rig.keys.notices)
    for name, value in known.items():
        if name.startswith(b"told:"):
            rig.redis.hset(rig.keys.notices, name, int(value) - 60_001)


def test_dead_letters_are_told_after_quiet_and_not_each(rig: Rig) -> None:
    assert told(rig) == []
    bury(rig.redis, 10)
    (notice,) = told(rig)
    assert (notice.kind, notice.destination, notice.facts) == ("dead_letters", "default", {"new": 10, "total": 10})
    bury(rig.redis, 5, first=10)
    a_minute_later(rig)
    assert told(rig) == [], "it is not quiet: there were some a moment ago"
    bury(rig.redis, 1, first=15)
    assert [one.kind for one in told(rig, quiet_ms=0)] == ["dead_letters"]


def test_a_pause_and_its_end_are_told_once_each(rig: Rig) -> None:
    (paused,) = told(rig, paused=True)
    assert (paused.kind, paused.facts["reason"]) == ("paused", "HTTP 401")
    assert told(rig, paused=True) == []
    (resumed,) = told(rig, paused=False)
    assert resumed.kind == "resumed"
    assert told(rig, paused=True) == [], "at most one a minute of a kind"
    a_minute_later(rig)
    assert [one.kind for one in told(rig, paused=True)] == ["paused"]


def test_an_old_backlog_is_told_once_until_it_is_young_again(rig: Rig) -> None:
    rig.redis.xadd(rig.keys.events, {"body": '{"trace_id":"t","value":1}'}, id="1-1")
    (late,) = told(rig)
    assert late.kind == "backlog"
    a_minute_later(rig)
    assert told(rig) == []
    rig.redis.xdel(rig.keys.events, "1-1")
    assert told(rig) == []
    rig.redis.xadd(rig.keys.events, {"body": '{"trace_id":"t","value":1}'}, id="2-1")
    assert [one.kind for one in told(rig)] == ["backlog"]


def test_a_webhook_gets_each_notice_signed_and_again_until_it_says_yes(start_rig: StartRig, receiver: Receiver) -> None:
    receiver.fails = 1
    rig = start_rig(FORWARDER_WEBHOOK_URL=receiver.url, FORWARDER_WEBHOOK_SECRET=SECRET)
    rig.sandbox.set_faults({"kind": "refuse", "field": "value", "equals": -9})
    rig.start_worker()
    rig.client().send(trace_id="t1", value=-9)
    assert eventually(lambda: len(receiver.received) >= 2, 30), rig.log.read_text()[-4000:]
    (first, body), (second, same) = receiver.received[:2]
    assert first["webhook-id"] == second["webhook-id"]
    assert body == same
    assert json.loads(body)["type"] == "dead_letters"
    assert json.loads(body)["data"] == {"destination": "default", "new": 1, "total": 1}
    signed = f"{second['webhook-id']}.{second['webhook-timestamp']}.".encode() + same
    expected = base64.b64encode(hmac.digest(b"a secret of the test", signed, hashlib.sha256)).decode()
    assert second["webhook-signature"] == f"v1,{expected}"
    assert eventually(lambda: not rig.redis.exists(rig.keys.outbox)), "what has arrived is not kept"
    assert rig.said("notice_dead_letters") == 1
    assert "t1" not in body.decode(), "no payloads"


def test_a_webhook_that_goes_on_talking_is_not_listened_to(start_rig: StartRig) -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), Endless) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        url = f"http://127.0.0.1:{server.server_port}/hook"
        rig = start_rig(FORWARDER_WEBHOOK_URL=url, FORWARDER_WEBHOOK_SECRET=SECRET)
        notices.put_off(rig.redis, rig.keys, Notice("n1", "paused", "default", 1, {}))

        assert webhook.post_outbox(rig.settings, rig.redis, rig.keys) == 1

        server.shutdown()
        thread.join()
    assert notices.outbox(rig.redis, rig.keys) == []
