"""The commands that look at a queue and hold it, against a real one: status, audit, trail, pause and resume."""

import json
from pathlib import Path

import pytest

from forwarder.cli import status_view
from forwarder.cli.reach import Direct
from forwarder.operations.operator import Operator
from forwarder.queue import audit
from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.settings import Settings
from tests.support.command_line import EVENT, KEYS, Cli, bury, letter

# status, audit


def test_an_unreachable_queue_is_one_line(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("FORWARDER_REDIS_URL", f"unix://{tmp_path}/nothing.sock")

    for command in (["status"], ["audit"], ["send", "--trace-id", "t", "--value", "1"], ["replay"]):
        result = cli(*command)
        assert result.exit_code == 1
        assert result.stderr.startswith("error: Redis at unix://")


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
