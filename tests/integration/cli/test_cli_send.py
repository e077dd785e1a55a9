"""`forwarder send` against a real queue: events, files and pipes, and what it says of the refused."""

import json
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from forwarder.queue.connection import Client
from tests.support.command_line import EVENT, KEYS, Cli, entries, lines, queued


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
