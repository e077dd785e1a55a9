"""The commands, against a real queue; the main paths as processes of their own."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from forwarder.cli import caring, replaying, status_view
from forwarder.cli.app import app
from forwarder.cli.reach import Direct
from forwarder.operations.operator import Operator
from forwarder.queue import audit
from forwarder.queue.connection import Client, connect
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.scripts import run
from forwarder.queue.settlement import Settlement, settle
from forwarder.queue.stream import Entry
from forwarder.settings import Settings

KEYS = Keys()
EVENT = {"trace_id": "t1", "value": 1}
Cli = Callable[..., Result]


@pytest.fixture
def client(settings: Settings) -> Iterator[Client]:
    connected = connect(settings)
    yield connected
    connected.close()


@pytest.fixture
def cli(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> Cli:
    """Calls a command in this process."""
    monkeypatch.setenv("FORWARDER_REDIS_URL", settings.redis_url)
    return lambda *args, **options: CliRunner().invoke(app, [str(arg) for arg in args], **options)


@pytest.fixture
def process(settings: Settings) -> Callable[..., "subprocess.Popen[str]"]:
    """Starts a command as a process."""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "FORWARDER_REDIS_URL": settings.redis_url, "PYTHONPATH": str(root)}

    def start(*args: str, stdin: int = subprocess.DEVNULL) -> "subprocess.Popen[str]":
        return subprocess.Popen(
            [sys.executable, "-m", "forwarder.cli", *args],
            env=environment,
            stdin=stdin,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return start


def entries(client: Client, key: str) -> list[tuple[bytes, dict[bytes, bytes]]]:
    """All entries of a stream."""
    return client.xrange(key)  # type: ignore[return-value]  # redis-py's types allow for decoded answers, and for none


def bury(client: Client, letters: list[DeadLetter]) -> list[str]:
    """Let these die as a drain would; answers their ids."""
    for letter in letters:
        client.xadd(KEYS.events, {"body": letter.body})
    if not client.exists(KEYS.dead):
        client.xgroup_create(KEYS.events, GROUP, id="0")
    reply: Any = client.xreadgroup(GROUP, "drain", {KEYS.events: ">"}, count=len(letters))
    pairs = reply[0][1] if isinstance(reply, list) else next(iter(reply.values()))[0]
    read = [Entry(*pair) for pair in pairs]
    dead = [Settlement(one, 1, [letter]) for one, letter in zip(read, letters, strict=True)]
    run(client, settle(KEYS, dead, {}))
    return [entry_id.decode() for entry_id, _ in entries(client, KEYS.dead)]


def letter(trace_id: str, reason: str = "rejected", **fields: Any) -> DeadLetter:  # noqa: ANN401 - its fields
    body = json.dumps({"trace_id": trace_id, "value": 1}).encode()
    return DeadLetter(**{"body": body, "reason": reason, "error": f"no trace {trace_id!r}", "at_ms": 5, **fields})


def queued(client: Client) -> list[Any]:
    """All events on the queue."""
    found: list[Any] = []
    for _, fields in entries(client, KEYS.events):
        body = json.loads(fields[b"body"])
        found += body if isinstance(body, list) else [body]
    return found


def lines(count: int) -> str:
    return "".join(json.dumps({"trace_id": f"t{number}", "value": 1}) + "\n" for number in range(count))


# send


def test_send_one_event(cli: Cli, client: Client) -> None:
    result = cli("send", "--trace-id", "t1", "--value", "-3", "--metadata", '{"a":1}', "--source", "shell")

    assert result.exit_code == 0
    assert queued(client) == [{"trace_id": "t1", "value": -3, "metadata": {"a": 1}}]
    assert entries(client, KEYS.events)[0][1][b"source"] == b"shell"


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (["--trace-id", "t", "--value", "11"], 1, "value: must be an integer from -10 to 10, got 11"),
        (["--trace-id", "t"], 2, "needs --trace-id and --value"),
        (["--trace-id", "t", "--value", "1", "--metadata", "{"], 2, "--metadata is not JSON"),
        (["--trace-id", "t", "--value", "1", "--destination", "eu"], 1, "'eu' is not configured"),
        ([], 2, "either FILE"),
        (["x.jsonl", "--value", "1"], 2, "either FILE"),
        (["x.jsonl"], 1, "x.jsonl: no such file"),
        (["."], 1, ".: is a directory"),
    ],
)
def test_send_says_what_is_wrong(cli: Cli, client: Client, args: list[str], status: int, said: str) -> None:
    result = cli("send", *args)

    assert result.exit_code == status
    assert said in result.stderr
    assert client.xlen(KEYS.events) == 0


def test_send_a_file_as_a_process(process: Callable[..., "subprocess.Popen[str]"], client: Client) -> None:
    Path("events.jsonl").write_text(lines(1_201))

    out, err = process("send", "events.jsonl", "--source", "nightly").communicate()

    assert (out, err) == ("appended 1,201 events in 3 entries\n", "")
    assert queued(client) == [json.loads(line) for line in lines(1_201).splitlines()]


def test_send_a_pipe_as_a_process(process: Callable[..., "subprocess.Popen[str]"], client: Client) -> None:
    sending = process("send", "-", "--json", stdin=subprocess.PIPE)

    out, _ = sending.communicate(json.dumps([EVENT] * 3, indent=2))

    assert sending.returncode == 0
    assert json.loads(out) == {
        "appended": 3,
        "entries": 1,
        "refused": 0,
        "refused_file": None,
        "last": 3,
        "flaws": [],
    }
    assert queued(client) == [EVENT] * 3


def test_send_takes_the_good_and_writes_the_refused(cli: Cli, client: Client) -> None:
    Path("events.csv").write_text("trace_id,value\nt1,1\nt1,99\nt1,1\n,1\n")

    result = cli("send", "events.csv", "--refused", "bad.csv")

    assert result.exit_code == 1
    assert result.stdout == "appended 2 events in 1 entry (2 refused, see bad.csv)\n"
    assert result.stderr.splitlines() == [
        "row 3: value: must be an integer from -10 to 10, got 99",
        "row 5: trace_id: is required",
    ]
    assert Path("bad.csv").read_text() == "trace_id,value\nt1,99\n,1\n"
    assert queued(client) == [EVENT] * 2


def test_send_names_ten_flaws_and_counts_the_others(cli: Cli) -> None:
    Path("bad.jsonl").write_text("{}\n" * 12)

    result = cli("send", "bad.jsonl")

    assert result.exit_code == 1
    assert result.stderr.splitlines()[-1] == "… and 2 more"
    assert len(result.stderr.splitlines()) == 11
    (refused,) = Path().glob("refused-*.jsonl")
    assert refused.read_text() == "{}\n" * 12


@pytest.mark.parametrize("content", ["", "\n\n"])
def test_send_of_nothing_fails(cli: Cli, content: str) -> None:
    Path("empty.jsonl").write_text(content)

    result = cli("send", "empty.jsonl")

    assert (result.exit_code, result.stderr) == (1, "error: empty.jsonl: no events in it\n")


def test_send_does_not_overwrite_its_input(cli: Cli) -> None:
    Path("events.jsonl").write_text("{}\n")

    assert cli("send", "events.jsonl", "--refused", "./events.jsonl").exit_code == 2
    assert Path("events.jsonl").read_text() == "{}\n"


def test_a_full_queue_stops_send_and_skip_goes_on(cli: Cli, client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    Path("events.jsonl").write_text(lines(1_300))
    monkeypatch.setenv("FORWARDER_BACKLOG_MAX_EVENTS", "1000")
    stopped = cli("send", "events.jsonl")
    monkeypatch.delenv("FORWARDER_BACKLOG_MAX_EVENTS")

    assert stopped.exit_code == 1
    assert stopped.stdout == "appended 1,000 events in 2 entries\n"
    assert "the same command with --skip 1000 goes on" in stopped.stderr
    assert cli("send", "events.jsonl", "--skip", "1000").exit_code == 0
    assert queued(client) == [json.loads(line) for line in lines(1_300).splitlines()]


def test_an_interrupted_send_says_how_to_go_on(process: Callable[..., "subprocess.Popen[str]"], client: Client) -> None:
    sending = process("send", "-", stdin=subprocess.PIPE)
    assert sending.stdin is not None
    sending.stdin.write(lines(20))
    sending.stdin.flush()
    assert client.xread({KEYS.events: "0"}, block=5_000), "the events of a slow pipe were kept waiting"
    while len(queued(client)) < 20:
        client.xread({KEYS.events: "$"}, block=1_000)

    sending.send_signal(signal.SIGINT)
    out, err = sending.communicate()

    assert sending.returncode == 130
    assert out.startswith("appended 20 events")
    assert err == "interrupted; stopped after line 20: the same command with --skip 20 goes on\n"


def test_an_unreachable_queue_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORWARDER_REDIS_URL", f"unix://{tmp_path}/nothing.sock")

    for command in (["status"], ["audit"], ["send", "--trace-id", "t", "--value", "1"], ["replay"]):
        result = cli(*command)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: Redis at unix://")


# status, audit


def test_status_counts(cli: Cli, client: Client) -> None:
    bury(client, [letter("t2")])
    cli("send", "--trace-id", "t1", "--value", "1")

    status = json.loads(cli("status", "--json").stdout)["default"]

    assert {name: status[name] for name in ("accepted", "delivered", "dead_lettered", "pending", "dead")} == {
        "accepted": 2,
        "delivered": 0,
        "dead_lettered": 1,
        "pending": 1,
        "dead": 1,
    }
    assert (status["entries"], status["drains"], status["paused"]) == (1, 0, None)
    assert 0 <= status["oldest_age_s"] < 60
    assert status["counters"]["dead_lettered:rejected"] == 1
    assert "accepted\t2\n" in cli("status").stdout


def test_status_watches_until_it_is_interrupted(settings: Settings, client: Client, cli: Cli) -> None:
    del cli, client
    waits: list[float] = []

    def wait(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 3:
            raise KeyboardInterrupt

    status_view.show(watch=True, as_json=True, wait=wait)

    assert waits == [1.0] * 3
    assert settings.redis_url


def test_rates_come_from_two_looks(settings: Settings, client: Client) -> None:
    reach = Direct(Operator(settings, client))
    before = status_view.look(reach)
    client.hset(KEYS.ledger, "delivered", 100)
    earlier = status_view.Look(before.at_ms - 10_000, before.statuses)

    now = status_view.look(reach, earlier).statuses["default"]

    assert now.delivered_per_s == pytest.approx(10, rel=0.2)
    assert status_view.measures(now)["delivered/s"] == f"{now.delivered_per_s:,.0f}"


def test_what_was_changed_is_on_the_trail(cli: Cli) -> None:
    cli("pause", "default", "--reason", "migration", "--for", "2h")
    cli("dead-letters", "purge", "--source", "web", "--yes")
    cli("status")

    purged, paused = json.loads(cli("trail", "--json").stdout)

    assert (paused["action"], paused["via"], paused["detail"]) == ("pause", "command", "migration, for 2h")
    assert (purged["action"], purged["selection"]) == ("dead-letters purge", "source 'web'")
    assert (paused["result"], purged["result"]) == ("done", "nothing there")
    assert paused["who"].count("@") == 1
    assert "migration" in cli("trail").stdout


def test_the_books_close_and_a_missing_event_is_seen(cli: Cli, client: Client) -> None:
    cli("send", "--trace-id", "t1", "--value", "1")
    closing = cli("audit", "--deep")
    client.hincrby(KEYS.ledger, "accepted", 1)
    broken = cli("audit")

    assert closing.exit_code == 0
    assert closing.stdout.count("   ok\n") == 4
    assert broken.exit_code == 1
    assert "DOES NOT CLOSE: +1" in broken.stdout
    assert json.loads(cli("audit", "--json").stdout)["default"]["closes"] is False


def test_the_deep_audit_sees_what_the_lines_do_not(cli: Cli, client: Client) -> None:
    for _ in range(250):
        client.xadd(KEYS.events, {"body": json.dumps([EVENT] * 2), "events": 2})
    client.hset(KEYS.ledger, mapping={"accepted": 501, "pending": 501})
    client.xadd(KEYS.events, {"body": json.dumps(EVENT)})
    client.xadd(KEYS.events, {"body": json.dumps(EVENT), "events": "many"})

    assert cli("audit").exit_code == 0
    deep = cli("audit", "--deep", "--json")

    assert deep.exit_code == 1
    assert json.loads(deep.stdout)["default"]["deep"] == {
        "pending": 501,
        "waiting": 500,
        "entries": 250,
        "not_yet_counted_entries": 2,
        "stood_still": True,
        "closes": False,
    }


def test_the_deep_audit_says_when_the_queue_never_stood_still(
    cli: Cli, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    scan = audit._scan

    def disturbed(on: Client, keys: Keys) -> audit.Waiting:
        client.xadd(KEYS.events, {"body": "{}"})
        return scan(on, keys)

    monkeypatch.setattr(audit, "_scan", disturbed)
    result = cli("audit", "--deep")

    assert result.exit_code == 0
    assert "never stood still in 3 scans" in result.stdout
    assert client.xlen(KEYS.events) == 3


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


# pause, resume


def test_pause_and_resume(cli: Cli, client: Client) -> None:
    by_hand = cli("pause", "default", "--reason", "upstream migrates")
    endless = client.pttl(KEYS.pause)
    for_a_while = json.loads(cli("pause", "default", "--for", "10m", "--json").stdout)
    bounded = client.pttl(KEYS.pause)
    status = json.loads(cli("status", "--json").stdout)["default"]["paused"]

    assert by_hand.stdout == "default is paused until `forwarder resume default`: upstream migrates\n"
    assert endless == -1
    assert 0 < bounded <= 600_000
    assert (status["reason"], status["until_ms"]) == ("by hand", for_a_while["paused"]["until_ms"])
    assert "default is paused since" in cli("status").stdout
    assert cli("resume", "default").stdout == "default is resumed\n"
    assert cli("resume", "default").stdout == "default was not paused\n"


@pytest.mark.parametrize(("args", "status"), [(["pause", "eu"], 1), (["pause", "default", "--for", "soon"], 2)])
def test_pause_of_what_is_not_there(cli: Cli, args: list[str], status: int) -> None:
    assert cli(*args).exit_code == status
