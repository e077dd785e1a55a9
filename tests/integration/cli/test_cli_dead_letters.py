"""`forwarder dead-letters` and `forwarder replay` against a real queue."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from forwarder.cli import caring, replaying
from forwarder.queue.connection import Client
from tests.support.command_line import KEYS, Cli, bury, entries, letter, queued

# dead letters


def test_list_and_show(cli: Cli, client: Client) -> None:
    ids = bury(client, [letter("t1", status=422, source=b"web"), letter("\x1b[31mt2", "exhausted", status=503)])

    listed = json.loads(cli("dead-letters", "list", "--json").stdout)
    table = cli("dead-letters", "list", "--status", "5xx").stdout.splitlines()
    one = cli("dead-letters", "show", ids[0])

    assert [found["id"] for found in listed] == ids
    assert {**listed[0], "id": "", "entry": ""} == {
        "id": "",
        "body": '{"trace_id": "t1", "value": 1}',
        "reason": "rejected",
        "status": 422,
        "error": "no trace 't1'",
        "attempts": 0,
        "at": 5,
        "source": "web",
        "batch": "",
        "entry": "",
        "replays": 0,
    }
    assert len(table) == 2
    assert "\\x1b[31mt2" in table[1]
    assert '  "trace_id": "t1",' in one.stdout.splitlines()


def test_list_is_limited_and_says_so(cli: Cli, client: Client) -> None:
    bury(client, [letter(f"t{number}") for number in range(3)])

    result = cli("dead-letters", "list", "--limit", "2")

    assert len(result.stdout.splitlines()) == 3
    assert result.stderr == "only the first 2 are shown; --limit 0 shows all\n"
    assert len(json.loads(cli("dead-letters", "list", "--limit", "0", "--json").stdout)) == 3


@pytest.mark.parametrize(("letter_id", "status"), [("5-5", 1), ("newest", 2)])
def test_show_of_what_is_not_there(cli: Cli, letter_id: str, status: int) -> None:
    assert cli("dead-letters", "show", letter_id).exit_code == status


def test_stats(cli: Cli, client: Client) -> None:
    bury(client, [letter("t1"), letter("t2"), letter("t3", "exhausted", status=500)])

    stats = json.loads(cli("dead-letters", "stats", "--json").stdout)

    assert stats["reasons"] == {"rejected": 2, "exhausted": 1}
    assert stats["errors"] == [{"error": "no trace …", "count": 3}]
    assert cli("dead-letters", "stats", "--reason", "exhausted").stdout.startswith("1 dead letter\n")


def test_export_loses_nothing(cli: Cli, client: Client) -> None:
    bury(client, [letter("t1"), letter("", "invalid", body=b"\xff\x00")])

    assert cli("dead-letters", "export", "dead.jsonl").exit_code == 0
    assert cli("dead-letters", "export", "dead.jsonl").exit_code == 2

    written = [json.loads(line) for line in Path("dead.jsonl").read_text().splitlines()]
    assert [one["reason"] for one in written] == ["rejected", "invalid"]
    assert written[1]["body_base64"] == "/wA="
    assert cli("dead-letters", "export", "-").stdout == Path("dead.jsonl").read_text()


def test_purge_wants_a_selection_and_a_yes(cli: Cli, client: Client) -> None:
    bury(client, [letter("t1"), letter("t2"), letter("t3", "exhausted")])

    assert cli("dead-letters", "purge", "--yes").exit_code == 2
    assert cli("dead-letters", "purge", "--all").exit_code == 2
    assert cli("dead-letters", "purge", "--all", "--reason", "invalid", "--yes").exit_code == 2
    assert client.xlen(KEYS.dead) == 3
    assert cli("dead-letters", "purge", "--reason", "rejected", "--yes").stdout == "2 of 2 dead letters purged\n"
    assert cli("dead-letters", "purge", "--all", "--yes").exit_code == 0
    assert client.xlen(KEYS.dead) == 0
    assert cli("audit").exit_code == 0


@pytest.mark.parametrize(("answer", "left"), [("n\n", 1), ("y\n", 0)])
def test_purge_asks_on_a_terminal(
    cli: Cli, client: Client, monkeypatch: pytest.MonkeyPatch, answer: str, left: int
) -> None:
    bury(client, [letter("t1")])
    monkeypatch.setattr(caring, "is_attended", lambda: True)

    result = cli("dead-letters", "purge", "--all", input=answer)

    assert "delete 1 dead letter of default for good?" in result.stderr
    assert result.exit_code == left
    assert client.xlen(KEYS.dead) == left


# replay


def test_replay_moves_what_is_selected(cli: Cli, client: Client) -> None:
    bury(client, [letter("t1", source=b"web"), letter("t2", "exhausted")])

    result = cli("replay", "--reason", "rejected", "--json")

    account = json.loads(result.stdout)
    assert {name: account[name] for name in ("state", "matched", "moved", "gone", "kept", "kept_examples")} == {
        "state": "done",
        "matched": 1,
        "moved": 1,
        "gone": 0,
        "kept": 0,
        "kept_examples": [],
    }
    assert queued(client) == [{"trace_id": "t1", "value": 1}]
    (_, fields), *_ = entries(client, KEYS.events)
    assert {name: fields[name] for name in (b"at", b"source", b"replays", b"events")} == {
        b"at": b"5",
        b"source": b"web",
        b"replays": b"1",
        b"events": b"1",
    }
    assert cli("audit", "--deep").exit_code == 0


def test_replay_mends_and_keeps_what_is_still_no_event(cli: Cli, client: Client) -> None:
    bad = json.dumps({"trace_id": "t1", "value": 11}).encode()
    ids = bury(client, [letter("", "invalid", body=bad), letter("", "invalid", body=b"oops"), letter("t3")])

    dry = cli("replay", "--set", "value=10", "--dry-run")
    unmoved = client.xlen(KEYS.dead)
    result = cli("replay", "--set", "value=10")

    assert dry.stdout.startswith("2 of 3 dead letters would be moved (1 are no valid event and stay dead)\n")
    assert unmoved == 3
    assert result.exit_code == 1
    assert result.stdout == "2 of 3 dead letters moved (1 are no valid event and stay dead)\n"
    assert result.stderr.startswith(f"{ids[1]}: is not an object")
    assert [event["value"] for event in queued(client)] == [10, 10]
    assert client.xlen(KEYS.dead) == 1
    assert cli("audit", "--deep").exit_code == 0


def test_replay_is_limited(cli: Cli, client: Client) -> None:
    bury(client, [letter(f"t{number}") for number in range(5)])

    assert cli("replay", "--limit", "2").stdout == "2 of 2 dead letters moved\n"
    assert [event["trace_id"] for event in queued(client)] == ["t0", "t1"]


def test_replay_of_many_pages_moves_each_once(cli: Cli, client: Client) -> None:
    bury(client, [letter(f"t{number}") for number in range(1_203)])

    assert cli("replay").stdout == "1,203 of 1,203 dead letters moved\n"
    assert sorted(event["trace_id"] for event in queued(client)) == sorted(f"t{number}" for number in range(1_203))
    assert cli("replay").stdout == "0 of 0 dead letters moved\n"
    assert cli("audit", "--deep").exit_code == 0


def test_replay_asks_on_a_terminal(cli: Cli, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    bury(client, [letter("t1")])
    monkeypatch.setattr(replaying, "is_attended", lambda: True)

    result = cli("replay", input="n\n")

    assert "move 1 dead letter of default back onto the queue?" in result.stderr
    assert (result.exit_code, client.xlen(KEYS.dead)) == (1, 1)
    assert cli("replay", "--yes").exit_code == 0
    assert client.xlen(KEYS.dead) == 0


def test_an_interrupted_replay_leaves_the_books_closed_and_goes_on(
    process: Callable[..., "subprocess.Popen[str]"], cli: Cli, client: Client
) -> None:
    bury(client, [letter(f"t{number}") for number in range(4)])
    replay = process("replay", "--rate", "0.01")
    assert client.xread({KEYS.events: "0"}, block=10_000), "the first letter did not move"

    replay.send_signal(signal.SIGINT)
    out, err = replay.communicate()

    assert (replay.returncode, client.xlen(KEYS.dead)) == (130, 3)
    assert out == "1 of 1 dead letters moved\n"
    assert err == "interrupted: nothing is lost or doubled; the same command goes on\n"
    assert cli("audit", "--deep").exit_code == 0
    assert cli("replay").stdout == "3 of 3 dead letters moved\n"
    assert sorted(event["trace_id"] for event in queued(client)) == ["t0", "t1", "t2", "t3"]


def test_a_closed_pipe_is_quiet(process: Callable[..., "subprocess.Popen[str]"], client: Client) -> None:
    bury(client, [letter(f"t{number}") for number in range(2_000)])
    listing = process("dead-letters", "list", "--limit", "0", "--json")
    assert listing.stdout is not None
    assert listing.stderr is not None
    listing.stdout.readline()
    listing.stdout.close()

    assert listing.stderr.read() == ""
    assert listing.wait() == 141
    listing.stderr.close()
