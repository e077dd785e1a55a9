from typing import Any

import pytest
from redis.exceptions import MovedError, ResponseError, TryAgainError

from forwarder.queue.address import Node
from forwarder.queue.clients import PassingError
from forwarder.queue.keys import Keys
from forwarder.queue.pipelines import Plan
from forwarder.queue.slots import SlotMap, slot_of

A, B = ("a", 1), ("b", 2)
KEYS = Keys()


def slots() -> SlotMap:
    found = SlotMap()
    found.learn([[8_192, 16_383, [b"b", 2, b"id"], [b"c", 3, b"id"]], [0, 8_000, [b"", 1, b"id"]]], A)
    return found


@pytest.mark.parametrize(("slot", "node"), [(0, A), (8_000, A), (8_001, None), (8_192, B), (16_383, B)])
def test_a_slot_leads_to_its_primary_if_it_has_one(slot: int, node: Node | None) -> None:
    assert slots().node(slot) == node


def test_a_key_is_the_same_as_text_and_as_bytes() -> None:
    assert slot_of(("GET", "no-tag")) == slot_of(("GET", b"no-tag"))


def test_all_primaries_are_known_once_each() -> None:
    found = slots()
    found.learn([[0, 1, [b"a", 1]], [2, 3, [b"b", 2]], [4, 5, ["a", "1"]]], A)
    assert sorted(found.nodes) == [A, B]


def test_an_empty_map_leads_nowhere() -> None:
    assert SlotMap().node(5) is None


@pytest.mark.parametrize(
    "words",
    [
        ("XADD", KEYS.events, "*", "body", "1"),
        ("EVALSHA", "digest", 2, KEYS.events, KEYS.ledger, "x"),
        ("EVAL", "return 1", 1, KEYS.events, "x"),
        ("XREADGROUP", "GROUP", "g", "c", "COUNT", 1, "STREAMS", KEYS.events, ">"),
        ("XREAD", b"COUNT", 1, b"STREAMS", KEYS.events, "0"),
        ("EXISTS", KEYS.ledger.encode(), KEYS.events),
    ],
    ids=lambda words: str(words[0]),
)
def test_the_slot_is_that_of_the_first_key(words: tuple[Any, ...]) -> None:
    assert slot_of(words) == slot_of(("GET", KEYS.events))


OF_A_NODE = (
    "PING|INFO memory|TIME|ROLE|WAIT 1 100|WAITAOF 1 1 100|CONFIG GET x|FLUSHALL|CLIENT ID|ACL WHOAMI|CLUSTER SLOTS"
    "|COMMAND DOCS|LATENCY LATEST"
)


@pytest.mark.parametrize("words", [tuple(command.split()) for command in OF_A_NODE.split("|")], ids=" ".join)
def test_a_command_of_a_node_has_no_slot(words: tuple[Any, ...]) -> None:
    assert slot_of(words) is None


def plan(*commands: tuple[Any, ...]) -> Plan:
    """Keys that begin with a are A's, the others B's."""
    return Plan([(words, {}) for words in commands], lambda words: A if str(words[-1]).startswith("a") else B)


def test_each_node_gets_its_own_and_every_one_is_waited_for() -> None:
    one = plan(("GET", "a1"), ("GET", "b1"), ("GET", "a2"), ("WAIT", 1, 10))
    sent = {node: [words for words, _ in commands] for node, commands in one.by_node()}
    assert sent == {A: [("GET", "a1"), ("GET", "a2"), ("WAIT", 1, 10)], B: [("GET", "b1"), ("WAIT", 1, 10)]}
    one.learn(A, [1, 2, 2])
    one.learn(B, [3, 1])
    assert one.answers(raise_on_error=True) == [1, 3, 2, 1]


def test_what_was_sent_elsewhere_was_not_waited_for() -> None:
    one = plan(("GET", "a1"), ("WAIT", 1, 10))
    assert list(one.by_node())
    one.learn(A, [MovedError("5 b:2"), 1])
    assert [at for at, *_ in one.redirected()] == [0]
    one.replies[0] = b"found there"
    found, waited = one.answers(raise_on_error=False)
    assert found == b"found there"
    assert isinstance(waited, PassingError)


def test_errors_stand_in_their_places_and_those_that_pass_are_outages() -> None:
    one = plan(("GET", "a1"), ("GET", "a2"), ("GET", "a3"))
    assert list(one.by_node())
    one.learn(A, [1, TryAgainError("soon"), ResponseError("WRONGTYPE")])
    first, passing, lasting = one.answers(raise_on_error=False)
    assert first == 1
    assert isinstance(passing, PassingError)
    assert str(lasting) == "WRONGTYPE"
    with pytest.raises(PassingError):
        one.answers(raise_on_error=True)
