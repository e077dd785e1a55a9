"""Keys are rotated without a restart and go to their upstream only; nothing that is written holds a secret."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
from typer.testing import CliRunner
from typing_extensions import override

from forwarder.cli.app import app
from tests.integration.conftest import StartRig
from tests.support.ingest import Ingest
from tests.support.rig import Rig
from tests.support.waiting import eventually

OLD, NEW = "sk-planted-old-key", "sk-planted-new-key"
PASSWORD = "planted-redis-password"
INGEST_KEY = "planted-ingest-key"
WEBHOOK_SECRET = "planted-webhook-secret"
PERSON = "Zebulon Quartermain of Elmstreet"
"""What somebody wrote, and nobody needs to know but the upstream."""


def renewed(path: Path, key: str) -> None:
    """As an operator does it: a new file in the place of the old one."""
    new = path.with_suffix(".new")
    new.write_text(key)
    new.chmod(0o600)
    new.rename(path)


def test_a_key_in_a_file_is_rotated_while_a_drain_runs(start_rig: StartRig, tmp_path: Path) -> None:
    path = tmp_path / "key"
    renewed(path, OLD)
    rig = start_rig(FORWARDER_API_KEY_FILE=str(path), FORWARDER_DRAIN_IDLE_S="60")
    rig.sandbox.set_keys([OLD])
    rig.client().send(trace_id="before", value=1)
    rig.start_worker()
    rig.settled()
    (horse,) = rig.horses()

    rig.sandbox.set_keys([NEW])
    rig.client().send_many({"trace_id": f"t{number}", "value": 1} for number in range(700))
    assert eventually(lambda: rig.redis.hget(rig.keys.pause, "reason"), 60), rig.log.read_text()[-2000:]
    renewed(path, NEW)
    assert rig.settled()["delivered"] == 701

    assert rig.horses() == [horse], "it is the same drain"
    assert (rig.books().dead, rig.sandbox.counts()["duplicates"]) == (0, 0)
    assert rig.logged("key_renewed")
    assert "planted" not in rig.log.read_text().replace(str(path), "")
    rig.assert_books_close()


@contextmanager
def redirecting() -> Iterator[tuple[str, list[str]]]:
    """An upstream that sends everybody elsewhere, and the paths where anybody came."""
    came: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            came.append(self.path)
            self.send_response(307)
            self.send_header("location", f"http://127.0.0.1:{self.server.server_port}/elsewhere")  # type: ignore[attr-defined]
            self.send_header("content-length", "0")
            self.end_headers()

        @override
        def log_message(self, *_: Any) -> None:
            return

    with ThreadingHTTPServer(("127.0.0.1", 0), Elsewhere) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/v1", came
        server.shutdown()
        thread.join()


def test_a_redirect_is_not_followed_and_pauses_the_destination(start_rig: StartRig) -> None:
    with redirecting() as (url, came):
        rig = start_rig(FORWARDER_BASE_URL=url)
        rig.client().send(trace_id="t", value=1)
        rig.start_worker()
        reason = eventually(lambda: rig.redis.hget(rig.keys.pause, "reason"), 60)
        assert reason
        assert b"redirects" in reason
        assert b"FORWARDER_BASE_URL" in reason
        assert eventually(lambda: len(came) >= 2, 60), "it is probed again"
        assert set(came) == {"/v1/feedback/"}
        assert rig.books().entries == 1, "the event waits"


# Nothing that is written


ECHO = f'{{"error": {{"message": "cannot take {PERSON} from the holder of {OLD}"}}}}'
AS_APP = {"content_type": "application/json", "x_portkey_api_key": INGEST_KEY}
EVENTS: list[dict[str, Any]] = [
    {"trace_id": f"t{number}", "value": 1, "text": PERSON, "metadata": {"_user": PERSON}} for number in range(6)
]
INVALID = (
    json.dumps({"trace_id": "i1", "value": PERSON}),
    json.dumps({"trace_id": "i2", "value": 1, "text": [PERSON]}),
    json.dumps({"trace_id": "i3", "value": 1, "other": PERSON}),
    json.dumps({"value": 1, "text": PERSON}),
    json.dumps({"trace_id": "i4", "value": 1, "text": PERSON})[:-5],
    PERSON,
)
COMMANDS = (
    ("status",),
    ("status", "--json"),
    ("audit", "--deep"),
    ("config",),
    ("config", "--json"),
    ("doctor", "--json"),
    ("dead-letters", "groups"),
    ("dead-letters", "groups", "--json"),
    ("dead-letters", "stats"),
    ("pause", "nowhere"),
)
SHOW_EVENTS = (
    ("replay", "--dry-run"),
    ("replay", "--dry-run", "--json"),
    ("dead-letters", "list"),
    ("dead-letters", "list", "--json"),
    ("dead-letters", "export", "-"),
)


def test_nothing_that_is_written_holds_a_secret_and_only_events_hold_what_people_wrote(
    start_rig: StartRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    rig = planted(start_rig)
    with Ingest(rig) as ingest:
        told = asked_wrongly(ingest)
        assert (
            ingest.post_bytes(
                json.dumps(EVENTS).encode(), content_type="application/json", x_portkey_api_key=INGEST_KEY
            ).status_code
            == 202
        )
        for body in INVALID:
            rig.redis.xadd(rig.keys.events, {"body": body})
        rig.sandbox.set_faults(
            {"kind": "status", "status": 503, "body": ECHO, "count": 1},
            {"kind": "status", "status": 401, "body": ECHO, "count": 1},
            {"kind": "reset", "count": 1},
            {"kind": "garbage", "body": ECHO, "count": 1},
            {"kind": "status", "status": 400, "body": ECHO},
        )
        rig.start_worker()
        rig.settled(60)
        told += ingest.http.get("/metrics").text
    assert len(rig.dead()) == len(EVENTS) + len(INVALID)
    assert any("cannot take […] from the holder of ***" in letter.error for letter in rig.dead())

    shown = [run(rig, *command) for command in COMMANDS]
    events_shown = [run(rig, *command) for command in SHOW_EVENTS]
    assert any(PERSON in text for text in events_shown), "it is looked for in the right way"
    written = {"logs": rig.log.read_text(), "answers": told, "commands": "\n".join(shown), "redis": dumped(rig)}
    for where, text in {**written, "listed": "\n".join(events_shown)}.items():
        assert_holds_none(text, (OLD, NEW, PASSWORD, INGEST_KEY, WEBHOOK_SECRET), where)
    for where, text in written.items():
        assert_holds_none(text, ("Zebulon", "Quartermain", "Elmstreet"), where)


def planted(start_rig: StartRig) -> Rig:
    """A system whose every secret is known to the test."""
    rig = start_rig(
        FORWARDER_API_KEY=OLD,
        FORWARDER_DESTINATIONS__EU__API_KEY=NEW,
        FORWARDER_INGEST_KEYS__APP=INGEST_KEY,
        FORWARDER_WEBHOOK_URL="http://127.0.0.1:9/hook",
        FORWARDER_WEBHOOK_SECRET=WEBHOOK_SECRET,
    )
    rig.sandbox.set_keys([OLD, NEW])
    rig.redis.execute_command("ACL", "SETUSER", "me", "on", f">{PASSWORD}", "~*", "&*", "+@all")
    rig.variables["FORWARDER_REDIS_URL"] = rig.url.replace("unix://", f"unix://me:{PASSWORD}@")
    return rig


def asked_wrongly(ingest: Ingest) -> str:
    """What the ingest says to callers who do it wrong."""
    answers = [ingest.post_bytes(body.encode(), **AS_APP) for body in INVALID]
    answers.append(ingest.post_bytes(json.dumps(EVENTS).encode(), **AS_APP | {"x_portkey_api_key": INGEST_KEY * 2}))
    assert {answer.status_code for answer in answers} == {400, 401, 422}
    return "\n".join(f"{dict(answer.headers)} {answer.text}" for answer in answers)


def run(rig: Rig, *command: str) -> str:
    """All that a command says, run in this process."""
    done = CliRunner().invoke(app, command, env=rig.environment)
    assert "Traceback" not in done.output
    return done.output


def dumped(rig: Rig) -> str:
    """All that Redis holds but the bodies of events: keys, and what each has in it."""
    keys: Any = rig.redis.keys("*")
    return "\n".join(f"{key!r} {_content(rig, key)!r}" for key in keys)


def _content(rig: Rig, key: bytes) -> Any:  # noqa: ANN401 - as Redis has it
    kind: Any = rig.redis.type(key)
    if kind == b"stream":
        entries: Any = rig.redis.xrange(key)
        return [{name: value for name, value in fields.items() if name != b"body"} for _, fields in entries]
    read: dict[bytes, Callable[[bytes], Any]] = {
        b"string": rig.redis.get,
        b"hash": rig.redis.hgetall,
        b"set": rig.redis.smembers,
    }
    read[b"list"] = lambda key: rig.redis.lrange(key, 0, -1)
    read[b"zset"] = lambda key: rig.redis.zrange(key, 0, -1, withscores=True)
    return read[kind](key)


def assert_holds_none(text: str, secrets: tuple[str, ...], where: str) -> None:
    for secret in secrets:
        at = text.find(secret)
        assert at < 0, f"{where} hold {secret!r}: …{text[max(0, at - 200) : at + 100]}…"
