from collections import Counter
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from forwarder.feedback import join, split
from forwarder.queue.dead_letters import LETTER_FIELDS
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step
from forwarder.queue.settlement import Settled
from forwarder.queue.tally import TRACE_S
from tests.unit.samples import array, batch, entry, event, numbered
from workers.batch import Batch, Load, Piece
from workers.outcome import Outcome, Refusal
from workers.settle import settlement

KEYS = Keys()
TOKEN = "0123456789abcdef"


def letters_of(step: Step[Any]) -> list[dict[str, Any]]:
    """The letters among the arguments, read as settle.lua reads them; `load` is the index of the entry, from 0."""
    args = list(step.args)
    tally_length, letters, pieces = int(args[4]), int(args[5]), int(args[6])
    at = 11 + tally_length
    width = 1 + len(LETTER_FIELDS)
    assert len(args) == at + letters * width + pieces * 10
    records = [args[at + index * width : at + (index + 1) * width] for index in range(letters)]
    return [{"load": int(first) - 1, **dict(zip(LETTER_FIELDS, rest, strict=True))} for first, *rest in records]


@given(st.lists(st.integers(1, 5), min_size=1, max_size=5), st.data())
def test_each_letter_names_the_entry_that_its_event_came_in(sizes: list[int], data: st.DataObject) -> None:
    made = batch(*sizes)
    bounds = sorted(data.draw(st.sets(st.integers(0, made.count), max_size=6)))
    outcome = Outcome(made)
    for start, stop in zip(bounds[::2], bounds[1::2], strict=False):
        outcome.refusals.append(Refusal(Piece(made, range(start, stop)), "rejected", "bad", 400, 1))
    letters = letters_of(settlement(KEYS, TOKEN, [outcome]))
    assert len(letters) == outcome.refused
    for letter in letters:
        load = made.loads[letter["load"]]
        assert letter["body"] in split(load.members.joined)
        assert letter["entry"] == load.entry.id


def test_a_letter_carries_all_that_is_known_of_its_event() -> None:
    events = numbered(3)
    source = entry(array(*events), 7, source=b"shop", at=b"123", replays=b"2", events=b"3")
    made = Batch([Load(entry(event("x"), 1), join([event("x")])), Load(source, join(events))])
    outcome = Outcome(made, refusals=[Refusal(Piece(made, range(2, 3)), "exhausted", "HTTP 503: busy", 503, 20)])
    (letter,) = letters_of(settlement(KEYS, TOKEN, [outcome]))
    assert letter == {
        "load": 1,
        "body": events[1],
        "reason": "exhausted",
        "status": 503,
        "error": b"HTTP 503: busy",
        "attempts": 20,
        "at": 123,
        "source": b"shop",
        "batch": made.id,
        "entry": source.id,
        "replays": 2,
    }


def test_entries_are_settled_with_what_their_append_counted_and_what_they_hold() -> None:
    first = Load(entry(array(*numbered(2)), 1, events=b"2"), join(numbered(2)))
    raw = Load(entry(array(*numbered(3)), 2), join(numbered(3)))
    made = Batch([first, raw])
    step = settlement(KEYS, TOKEN, [Outcome(made)], again=True)
    assert step.script == "settle"
    assert list(step.keys) == [KEYS.events, KEYS.ledger, KEYS.dead, KEYS.batches]
    record, ids = f"{TOKEN}/{made.id}", first.entry.id + b"," + raw.entry.id
    assert list(step.args) == ["forwarder", 2, "2,0", "2,3", 0, 0, 0, record, 1, "", ids]


def test_the_tally_goes_along_by_name_and_increment() -> None:
    outcome = Outcome(batch(1), tally=Counter({"requests": 3, "requests:200": 1, "retries": 2}))
    args = list(settlement(KEYS, TOKEN, [outcome]).args)
    assert args[4] == 6
    assert args[11:] == ["requests", 3, "requests:200", 1, "retries", 2]


def test_the_reply_is_read_as_what_was_settled_and_lost() -> None:
    assert settlement(KEYS, TOKEN, [Outcome(batch(1))]).read([1, 4]) == Settled(entries=1, lost_events=4)


def test_what_has_no_outcome_is_put_back_entry_by_entry() -> None:
    told = {"at": b"5", "source": b"shop", "replays": b"1", "traceparent": b"00-a-b-01"}
    first = Load(entry(array(*numbered(2)), 1, **told), join(numbered(2)))
    second = Load(entry(array(*numbered(3)), 2, at=b"6", queued=b"9"), join(numbered(3)))
    made = Batch([first, second])
    outcome = Outcome(made, rest=[Piece(made, range(1, 4))], attempts=3)
    args = list(settlement(KEYS, TOKEN, [outcome]).args)
    assert args[6] == 2
    kept = (b"shop", 1, 3, 1_700_000_000_000, "", b"00-a-b-01")
    assert args[-22:-11] == [1, 1, b"[" + numbered(2)[1] + b"]", 5, b"", *kept]
    assert args[-11:] == [2, 2, b"[" + b",".join(numbered(3)[:2]) + b"]", 6, b"", b"", 0, 3, 9, "", b""]


def test_a_batch_of_which_nothing_is_known_is_not_settled_but_its_requests_are_counted() -> None:
    made = batch(2, 3)
    step = settlement(KEYS, TOKEN, [Outcome(made, rest=[made.whole()], tally=Counter({"requests": 1}))])
    assert (step.script, list(step.args)) == ("tally", [TRACE_S, "requests", 1])
    assert list(step.keys) == [KEYS.ledger, KEYS.chunk(f"{TOKEN}-{made.id}")]


def test_batches_that_end_together_are_one_step_with_their_tallies_added_up() -> None:
    first, second = Outcome(batch(1), tally=Counter({"requests": 1})), Outcome(batch(2), tally=Counter({"requests": 2}))
    left = Outcome(batch(3), tally=Counter({"retries": 1}))
    left.rest.append(left.batch.whole())
    step = settlement(KEYS, TOKEN, [first, left, second])
    ids = b",".join([*first.batch.entry_ids, *second.batch.entry_ids])
    records = f"{TOKEN}/{first.batch.id},{TOKEN}/{second.batch.id}"
    args = list(step.args)
    assert args[:12] == ["forwarder", 2, "0", "1,2", 4, 0, 0, records, 0, "", ids, "requests"]
    assert args[12:] == [3, "retries", 1]


def test_a_letter_of_a_later_batch_names_its_entry_among_all() -> None:
    first, second = Outcome(batch(1, 1)), Outcome(batch(1, 1))
    second.refusals.append(Refusal(Piece(second.batch, range(1, 2)), "rejected", "bad", 400, 1))
    (letter,) = letters_of(settlement(KEYS, TOKEN, [first, second]))
    assert letter["load"] == 3


def test_a_letter_s_error_quotes_nothing_of_what_a_user_wrote() -> None:
    wrote = event("t", text="my very personal comment")
    made = Batch([Load(entry(wrote, 1), join([wrote]))])
    error = "HTTP 400: cannot take 'my very personal comment'"
    (letter,) = letters_of(
        settlement(KEYS, TOKEN, [Outcome(made, refusals=[Refusal(made.whole(), "rejected", error, 400, 1)])])
    )
    assert letter["error"] == "HTTP 400: cannot take '[…]'".encode()
    assert letter["body"] == wrote
