"""Ids of stream entries: their order, and the one just before."""

from hypothesis import given
from hypothesis import strategies as st

from forwarder.queue.entry_ids import LAST_SEQUENCE, before, place

IDS = st.builds("{}-{}".format, st.integers(0, 2**53), st.integers(0, LAST_SEQUENCE))


def successor(entry_id: str) -> tuple[int, int]:
    time_ms, sequence = place(entry_id)
    return (time_ms, sequence + 1) if sequence < LAST_SEQUENCE else (time_ms + 1, 0)


@given(IDS.filter(lambda entry_id: place(entry_id) > (0, 0)))
def test_nothing_is_between_an_id_and_the_one_before_it(entry_id: str) -> None:
    assert successor(before(entry_id)) == place(entry_id)


def test_nothing_is_before_the_id_that_no_entry_has() -> None:
    assert before("0-0") == "0-0"
