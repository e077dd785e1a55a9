"""An upstream's error without what it quotes of an event."""

import json

from workers.quotes import MARK, without_quotes

TEXT = 'Call me, "Zebulon", at 555-0199 in Überlingen'
EVENT = json.dumps(
    {"trace_id": "trace-of-zebulon", "value": 1, "text": TEXT, "metadata": {"a": [{"b": "metaphysical"}]}}
)


def cleaned(error: str, *events: str) -> str:
    return without_quotes(error, [event.encode() for event in events or (EVENT,)])


def test_an_error_that_quotes_nothing_is_as_it_was() -> None:
    for error in ("", "no", "value must be an integer between -10 and 10", "trace-of-zebulon is not known"):
        assert cleaned(error) == error


def test_a_text_is_taken_out_whole_in_part_and_as_json_has_it() -> None:
    assert cleaned(f"cannot take {TEXT}!") == f"cannot take {MARK}!"
    assert cleaned(f"cannot take {TEXT[:20]}...") == f"cannot take {MARK}..."
    assert cleaned(f"cannot take {TEXT[10:]}") == f"cannot take {MARK}"
    assert cleaned(f"in {json.dumps(TEXT)}") == f'in "{MARK}"'
    assert cleaned(f"cut short: {TEXT}"[:40]) == f"cut short: {MARK}"


def test_metadata_are_taken_out_however_deep() -> None:
    assert cleaned("no metaphysical one") == f"no {MARK} one"
    assert cleaned("nothing metaphysical") == f"nothing {MARK}"


def test_an_error_about_several_events_quotes_none_of_them() -> None:
    assert cleaned(f"first: {TEXT}", '{"text":"another one of them"}', EVENT) == f"first: {MARK}"


def test_what_only_two_texts_together_would_hold_is_no_quote() -> None:
    assert cleaned("they are red and green", '{"text":"they are red "}', '{"text":"and green"}') == f"{MARK}and green"


def test_what_is_no_event_has_nothing_that_could_be_quoted() -> None:
    for event in ("", "no JSON", "[1]", "7", '{"text":7}'):
        assert cleaned("an error of some length", event) == "an error of some length"
