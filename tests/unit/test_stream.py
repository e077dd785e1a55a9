import pytest

from forwarder.errors import QueueFull
from forwarder.feedback import join
from forwarder.queue.accepted import accepted
from forwarder.queue.caps import Caps
from forwarder.queue.dead_letters import LETTER_FIELDS, DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Step
from forwarder.queue.settlement import PutBack, Recut, recut
from forwarder.queue.stream import Entry, append, new_chunk_id
from tests.unit.samples import entry, event, numbered

KEYS = Keys()


def appended(*events: bytes) -> Step[str]:
    return append(KEYS, join(list(events)), chunk_id="c1", source="shop", caps=Caps(1_000, 80, 60))


@pytest.mark.parametrize(("written", "number"), [(b"3", 3), (b"0", 0), (b"", 0), (b"-3", 0), (b"x", 0), (b"9" * 16, 0)])
def test_a_number_that_a_producer_wrote_is_taken_only_when_it_is_one(written: bytes, number: int) -> None:
    assert entry(b"{}", events=written).counted == number
    assert entry(b"{}", replays=written).replays == number
    assert entry(b"{}", attempts=written).attempts == number


def test_an_entry_of_a_plain_xadd_has_the_time_of_its_id_and_claims_nothing() -> None:
    read = Entry(b"1700000000123-4", {b"body": b"{}"})
    assert (read.at_ms, read.counted, read.replays, read.source, read.body) == (1_700_000_000_123, 0, 0, b"", b"{}")


def test_the_time_that_an_entry_names_goes_before_that_of_its_id() -> None:
    assert entry(b"{}", at=b"42").at_ms == 42
    assert entry(b"{}", at=b"yesterday").at_ms == 1_700_000_000_000


def test_an_entry_without_body_has_an_empty_one_and_a_long_source_is_cut() -> None:
    read = entry(None, source=b"x" * 1_000)
    assert (read.body, len(read.source)) == (b"", 200)


def test_one_event_is_appended_as_an_object_and_several_as_an_array() -> None:
    assert appended(event()).args[0] == event()
    assert appended(*numbered(2)).args[0] == b"[" + b",".join(numbered(2)) + b"]"


def test_an_append_names_its_chunk_its_count_and_its_bounds() -> None:
    step = appended(*numbered(3))
    assert list(step.keys) == [KEYS.events, KEYS.ledger, KEYS.chunk("c1"), KEYS.memory]
    assert (step.args[1], step.args[3:]) == (3, ["shop", 1_000, 60, 80, 0, ""])


def test_an_append_that_memory_does_not_allow_says_what_to_mend() -> None:
    with pytest.raises(QueueFull, match="FORWARDER_MEMORY_MAX_PERCENT is 80: 1 refused; let the backlog drain"):
        appended(event()).read([b"memory", 93])


@pytest.mark.parametrize("reply", [[b"added", b"1-0"], [b"seen", b"1-0"]])
def test_an_append_answers_the_entry_also_when_it_was_stored_before(reply: list[bytes]) -> None:
    assert appended(event()).read(reply) == "1-0"


def test_an_append_beyond_the_cap_says_how_full_the_queue_is_and_which_variable_rules() -> None:
    with pytest.raises(QueueFull, match=r"default has 1,000 events and FORWARDER_BACKLOG_MAX_EVENTS .* 2 refused"):
        appended(*numbered(2)).read([b"full", b"1000"])


def test_a_recut_settles_its_entry_with_pieces_and_letters_that_add_up() -> None:
    source = entry(b"?", 3, events=b"9", source=b"shop", at=b"5", replays=b"1", attempts=b"2", traceparent=b"00-a-b-01")
    letters = [DeadLetter(b"bad", "invalid", "why", entry=source.id)]
    cut = Recut(
        source, [PutBack(join(numbered(2)), accepted([5, 9])), PutBack(join(numbered(1)), accepted([9]))], letters
    )
    assert cut.events == 4
    step = recut(KEYS, cut)
    assert list(step.args[:11]) == ["forwarder", 1, "9", "4", 0, 1, 2, "", 0, "", source.id]
    kept = [b"shop", 1, 2, 1_700_000_000_000, "", b"00-a-b-01"]
    first = [1, 2, b"[" + b",".join(numbered(2)) + b"]", 5, b"0,4", *kept]
    assert list(step.args[-22:]) == [*first, 1, 1, b"[" + numbered(1)[0] + b"]", 9, b"", *kept]
    assert len(step.args) == 11 + 1 + len(LETTER_FIELDS) + 22


def test_chunk_ids_do_not_repeat() -> None:
    assert len({new_chunk_id() for _ in range(1_000)}) == 1_000
