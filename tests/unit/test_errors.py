import pytest

from forwarder import errors
from forwarder.errors import ForwarderError, InvalidFeedback
from forwarder.flaws import Flaw


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (1, "[0]: is wrong"),
        (3, "[0]: is wrong; [1]: is wrong; [2]: is wrong"),
        (4, "[0]: is wrong; [1]: is wrong; [2]: is wrong; and 1 more"),
        (500, "[0]: is wrong; [1]: is wrong; [2]: is wrong; and 497 more"),
    ],
)
def test_invalid_feedback_shows_three_flaws_keeps_all_and_counts_the_rest(count: int, text: str) -> None:
    error = InvalidFeedback([Flaw(index, None, "is wrong", b"") for index in range(count)])
    assert str(error) == text
    assert len(error.flaws) == count


def test_every_error_has_the_one_root() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) >= 7
    assert all(issubclass(kind, ForwarderError) for kind in kinds)


def test_invalid_feedback_is_a_value_error_for_those_who_do_not_know_us() -> None:
    assert issubclass(InvalidFeedback, ValueError)
