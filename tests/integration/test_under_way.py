"""Commands whose answers are waited for later, and what happens when none comes."""

import pytest
from redis.exceptions import ResponseError

from forwarder.queue import dead_letters, replays
from forwarder.queue.connection import Client, connect
from forwarder.queue.keys import Keys
from forwarder.queue.under_way import UnderWay, sent
from forwarder.settings import Settings
from tests.support.letters import bury
from tests.support.replays import begun

KEYS = Keys()
MORE_THAN_CONNECTIONS = 40
"""More commands than a client has connections; one that is not given back is missing for good."""


@pytest.fixture
def client(settings: Settings) -> Client:
    return connect(settings)


def asked(redis: Client, *words: str) -> UnderWay[object]:
    return UnderWay(redis, words, lambda reply: reply, lambda: "asked again")


def test_answers_come_in_any_order(client: Client) -> None:
    first, second = asked(client, "ECHO", "1"), asked(client, "ECHO", "2")

    assert (second.answer(), first.answer()) == (b"2", b"1")


def test_a_step_that_the_server_does_not_know_is_run_all_the_same(client: Client) -> None:
    record = begun(client)
    client.script_flush()

    assert sent(client, replays.turn(KEYS, record.id, "us", "done")).answer()
    assert replays.running(client, KEYS) == []


def test_what_was_not_answered_is_asked_again(client: Client) -> None:
    asking = asked(client, "BLPOP", "nothing", "0")
    client.client_kill_filter(_type="normal", skipme=True)

    assert asking.answer() == "asked again"


def test_a_refusal_takes_no_connection_away(client: Client) -> None:
    client.set("text", "x")
    for _ in range(MORE_THAN_CONNECTIONS):
        with pytest.raises(ResponseError, match="WRONGTYPE"):
            asked(client, "HGET", "text", "field").answer()

    assert client.get("text") == b"x"


def test_an_answer_that_nobody_waits_for_disturbs_nobody(client: Client) -> None:
    with asked(client, "ECHO", "1"):
        pass

    assert client.echo("2") == b"2"


def test_every_letter_is_read_once_whatever_connections_break(client: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(dead_letters, "PAGE", 10)
    bury(client, 95)
    found = []
    for page in dead_letters.scan_pages(client, KEYS):
        client.client_kill_filter(_type="normal", skipme=True)
        found += [letter.at_ms for letter in page]

    assert len(found) == 95
    assert [letter.at_ms for letter in dead_letters.scan(client, KEYS)] == found
