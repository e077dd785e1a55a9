"""May a letter return, and as what?"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import pytest

from forwarder.dead.selection import Selection
from forwarder.feedback import Limits, codec
from forwarder.flaws import Flaw
from forwarder.queue.dead_letters import DeadLetter
from forwarder.replaying.judging import SPENT, Judgement, judged
from forwarder.replaying.plan import Plan

CODEC = codec(Limits())


def letter(trace_id: str = "t", value: object = 1, **fields: Any) -> DeadLetter:  # noqa: ANN401 - a letter's own
    return DeadLetter(
        b'{"trace_id":"%s","value":%s}' % (trace_id.encode(), str(value).encode()), "rejected", "", **fields
    )


@dataclass
class Map:
    """Trace ids that take the place of others; notes for which it was asked."""

    new: dict[str, str] = field(default_factory=dict)
    asked: list[list[str]] = field(default_factory=list)

    def __call__(self, wanted: Sequence[str]) -> list[str | None]:
        self.asked.append(list(wanted))
        return [self.new.get(trace_id) for trace_id in wanted]


def judgements(letters: Sequence[DeadLetter], plan: Plan, lookup: Map | None = None) -> list[Judgement]:
    return [judgement for _, judgement in judged([letters], plan, CODEC, lookup or Map())]


def test_a_valid_letter_of_the_selection_returns_as_it_is_and_another_is_not_meant() -> None:
    meant, other = letter(source=b"web"), letter(source=b"ios")
    assert judgements([meant, other], Plan(Selection(source="web"))) == [meant, None]
    assert judgements([meant, other], Plan(Selection())) == [meant, other]


def test_what_is_not_canonical_is_made_so_and_what_is_no_event_says_why() -> None:
    (mended, flaw) = judgements([letter(value=5.0), letter(value=11)], Plan(Selection()))
    assert isinstance(mended, DeadLetter)
    assert mended.body == letter(value=5).body
    assert isinstance(flaw, Flaw)
    assert flaw.field == "value"


def test_an_edit_reaches_each_letter_also_a_valid_one() -> None:
    valid = letter()
    (edited,) = judgements([valid], Plan(Selection(), edits={"value": "7"}))
    assert isinstance(edited, DeadLetter)
    assert edited.body == letter(value=7).body
    assert judgements([valid], Plan(Selection(), edits={"value": "1"})) == [valid]


@pytest.mark.parametrize(("replays", "spent"), [(1, False), (2, True), (3, True)])
def test_a_letter_that_was_replayed_as_often_as_it_may_is_spent(replays: int, spent: bool) -> None:  # noqa: FBT001 - one of a table
    one = letter(replays=replays)
    assert judgements([one], Plan(Selection(), max_replays=2)) == [SPENT if spent else one]
    assert judgements([one], Plan(Selection())) == [one]


def test_trace_ids_are_replaced_from_the_map_and_those_that_it_lacks_stay_dead() -> None:
    lookup = Map({"old": "new"})
    broken = DeadLetter(b"oops", "invalid", "")
    letters = [letter("old"), letter("unknown"), letter("old", 2), broken]

    first, second, third, fourth = judgements(letters, Plan(Selection(), trace_ids="digest"), lookup)

    assert lookup.asked == [["old", "unknown"]], "once a page, and each once"
    assert isinstance(first, DeadLetter)
    assert isinstance(third, DeadLetter)
    assert (first.body, third.body) == (letter("new").body, letter("new", 2).body)
    for one in (second, fourth):
        assert isinstance(one, Flaw)
        assert str(one) == "trace_id: is not in the map of trace ids"


def test_only_letters_that_are_meant_are_looked_up() -> None:
    lookup = Map({"b": "c"})
    judgements([letter("a"), letter("b", source=b"web")], Plan(Selection(source="web"), trace_ids="digest"), lookup)
    assert lookup.asked == [["b"]]


def test_an_edit_of_the_trace_id_wins_over_the_map() -> None:
    plan = Plan(Selection(), trace_ids="digest", edits={"trace_id": '"mine"'})
    (edited,) = judgements([letter("old")], plan, Map({"old": "new"}))
    assert isinstance(edited, DeadLetter)
    assert edited.body == letter("mine").body


def test_without_a_map_nothing_is_looked_up() -> None:
    lookup = Map()
    judgements([letter()], Plan(Selection()), lookup)
    assert lookup.asked == []
