"""FORWARDER_QUEUE_KEY: whoever reads Redis or the spill file reads nothing that people wrote; all else is as ever."""

import base64
import json
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from forwarder.cli.app import app
from forwarder.queue.codec import PLAIN, codec_of
from forwarder.queue.connection import connect
from forwarder.spill.file import spill_file
from tests.integration.conftest import StartRig
from tests.support.ingest import Ingest
from tests.support.rig import Rig
from tests.support.waiting import eventually

OLD, NEW = (base64.b64encode(bytes([number] * 32)).decode() for number in (1, 2))
PRIVATE = "what somebody wrote"
BAD = -9
REFUSE_BAD = {"kind": "refuse", "field": "value", "equals": BAD, "message": "is too bad"}


def events(count: int, prefix: str = "t", value: int = 1) -> list[dict[str, Any]]:
    return [{"trace_id": f"{prefix}{number}", "value": value, "text": PRIVATE} for number in range(count)]


def bodies(rig: Rig, key: str) -> list[bytes]:
    entries: Any = rig.redis.xrange(key)
    return [fields[b"body"] for _, fields in entries]


def is_private(rig: Rig) -> bool:
    """Whether nothing in Redis tells what somebody wrote."""
    keys: Any = rig.redis.keys("*")
    dumps: list[Any] = [rig.redis.dump(key) for key in keys]
    streams = [body for key in (rig.keys.events, rig.keys.dead) for body in bodies(rig, key)]
    return bool(keys) and not any(b"somebody" in one for one in [*dumps, *streams])


def cli(rig: Rig, *arguments: str) -> str:
    done = CliRunner().invoke(app, arguments, env=rig.environment)
    assert done.exit_code == 0, done.output
    return done.stdout


@pytest.fixture
def rig(start_rig: StartRig, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Rig:
    monkeypatch.chdir(tmp_path)
    return start_rig(FORWARDER_QUEUE_KEY=OLD)


def test_every_way_in_seals_and_the_upstream_gets_what_was_sent(rig: Rig) -> None:
    rig.client().send_many(events(600, "direct"))
    with rig.client(mode="buffered") as client:
        client.send_many(events(50, "buffered"))
    with Ingest(rig) as ingest:
        assert ingest.post(events(20, "ingest")).status_code == 202
    (rig.folder / "events.jsonl").write_text("\n".join(json.dumps(one) for one in events(30, "file")))
    cli(rig, "send", str(rig.folder / "events.jsonl"))
    assert is_private(rig)
    rig.start_worker()
    rig.assert_everything_arrived(700)
    assert {arrival["event"]["text"] for arrival in arrivals(rig)} == {PRIVATE}


def arrivals(rig: Rig) -> list[dict[str, Any]]:
    """Events as the sandbox stored them."""
    return [arrival for trace in rig.sandbox.arrivals(limit=1_000) for arrival in trace["arrivals"]]


def test_dead_letters_are_sealed_shown_to_operators_and_replayed(rig: Rig, tmp_path: Path) -> None:
    rig.sandbox.set_faults(REFUSE_BAD)
    rig.client().send_many(events(5, "bad", BAD) + events(5, "good"))
    rig.redis.xadd(rig.keys.events, {"body": f"\0no JSON, and {PRIVATE}"})
    rig.start_worker()
    assert rig.settled()["delivered"] == 5
    assert is_private(rig)
    assert f"\0no JSON, and {PRIVATE}".encode() in {letter.body for letter in rig.dead()}
    listed = json.loads(cli(rig, "dead-letters", "list", "--json", "--reason", "rejected"))
    assert [PRIVATE in one["body"] for one in listed] == [True] * 5

    export = tmp_path / "dead.jsonl"
    cli(rig, "dead-letters", "export", str(export))
    assert "0 dead letters imported (6 were there" in cli(rig, "dead-letters", "import", str(export))
    cli(rig, "dead-letters", "purge", "--all", "--yes")
    cli(rig, "dead-letters", "import", str(export))
    assert is_private(rig)
    rig.sandbox.clear_faults()
    cli(rig, "replay", "--reason", "rejected", "--yes")
    assert rig.settled()["delivered"] == 10
    assert rig.sandbox.counts()["distinct_trace_ids"] == 10
    rig.assert_books_close()


def test_what_is_put_back_is_sealed_again(rig: Rig) -> None:
    rig.sandbox.set_faults({"kind": "max_events", "limit": 100})
    rig.client().send_many(events(1_000))
    rig.redis.xadd(rig.keys.events, {"body": json.dumps([*events(900, "raw"), {"value": "bad"}])})
    rig.start_worker()
    assert rig.settled()["delivered"] == 1_900
    assert rig.sandbox.counts()["distinct_trace_ids"] == 1_900
    assert is_private(rig)
    rig.assert_books_close()


def test_the_spill_file_is_sealed(rig: Rig) -> None:
    rig.kill_server()
    with rig.client(mode="buffered") as client:
        client.send_many(events(40))
        assert client.flush().spilled == 40
    spill = spill_file(rig.settings)
    assert spill
    with sqlite3.connect(spill.path) as db:
        rows = [row[0] for row in db.execute("SELECT body FROM chunks")]
    db.close()
    assert rows
    assert not any(b"somebody" in row for row in rows)
    rig.server.start()
    with rig.client(mode="buffered"):
        assert eventually(lambda: spill.count().chunks == 0, 60)
    spill.close()
    rig.start_worker()
    rig.assert_everything_arrived(40)


def test_a_worker_without_the_key_leaves_what_it_cannot_read_and_one_with_it_delivers(rig: Rig) -> None:
    rig.client().send_many(events(10, "old"))
    rig.variables["FORWARDER_QUEUE_KEY"] = NEW
    rig.client().send_many(events(10, "new"))
    worker = rig.start_worker()
    assert eventually(lambda: rig.books()["delivered"] == 10, 60)
    assert eventually(lambda: rig.logged("entry_not_read"), 60)
    assert "which FORWARDER_QUEUE_KEY has not" in rig.log.read_text()
    worker.terminate()
    assert worker.wait(60) == 0
    assert (rig.books().dead, rig.books()["pending"]) == (0, 10)

    rig.variables["FORWARDER_QUEUE_KEY"] = f"{NEW},{OLD}"
    rig.start_worker()
    rig.assert_everything_arrived(20)


def test_a_body_that_nobody_can_read_becomes_a_dead_letter_as_it_is(rig: Rig) -> None:
    rig.client().send_many(events(2))
    (sealed,) = bodies(rig, rig.keys.events)
    damaged = {sealed[:-1] + bytes([sealed[-1] ^ 1]), b"\0zstd\0no such thing"}
    for body in damaged:
        rig.redis.xadd(rig.keys.events, {"body": body, "v": "2"})
    rig.start_worker()

    books = rig.settled()

    assert (books["delivered"], books.dead) == (2, 2)
    assert {(letter.reason, letter.body) for letter in rig.dead()} == {("invalid", body) for body in damaged}
    assert {letter.error for letter in rig.dead()} >= {"it was changed since it was sealed"}
    rig.assert_books_close()


def test_without_a_key_nothing_is_changed(start_rig: StartRig) -> None:
    rig = start_rig()
    rig.client().send_many(events(2))
    assert codec_of(connect(rig.settings)) is PLAIN
    (entry,) = bodies(rig, rig.keys.events)
    assert json.loads(entry) == events(2)
    raw: Any = rig.redis.xrange(rig.keys.events)
    assert set(raw[0][1]) == {b"body", b"events", b"at"}
