import json

from forwarder.queue.dead_letters import LETTER_FIELDS, DeadLetter, purge
from forwarder.queue.keys import Keys

KEYS = Keys()
LETTER = DeadLetter(
    b"\xff", "rejected", "HTTP 400: bad", 400, 3, 123, b"shop", "b1", b"1-0", replays=2, id="1700000000000-1"
)


def test_the_values_of_a_letter_are_those_of_its_fields_in_order() -> None:
    assert dict(zip(LETTER_FIELDS, LETTER.values(), strict=True)) == {
        "body": b"\xff",
        "reason": "rejected",
        "status": 400,
        "error": b"HTTP 400: bad",
        "attempts": 3,
        "at": 123,
        "source": b"shop",
        "batch": "b1",
        "entry": b"1-0",
        "replays": 2,
    }


def test_a_letter_without_status_writes_none() -> None:
    assert DeadLetter(b"", "invalid", "why").values()[2] == ""


def test_an_error_is_cut_to_500_characters_and_survives_what_utf8_cannot_carry() -> None:
    written = DeadLetter(b"", "invalid", "\ud800" + "é" * 1_000).values()[3]
    assert written == ("?" + "é" * 499).encode()


def test_a_letter_is_json_whatever_its_bytes_are() -> None:
    shown = json.loads(json.dumps(LETTER.as_json()))
    assert set(shown) == {"id", *LETTER_FIELDS}
    assert shown["body"] == "\ufffd"


def test_a_letter_knows_when_it_was_buried_once_it_is() -> None:
    assert LETTER.died_ms == 1_700_000_000_000
    assert DeadLetter(b"", "invalid", "why").died_ms == 0


def test_a_purge_touches_the_ledger_and_the_dead_only() -> None:
    step = purge(KEYS, ["1-0", "2-0"])
    assert (list(step.keys), list(step.args)) == ([KEYS.ledger, KEYS.dead], ["hand", "1-0", "2-0"])
