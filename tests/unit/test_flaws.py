import pytest

from forwarder.flaws import Flaw


@pytest.mark.parametrize(
    ("index", "field", "sentence"),
    [
        (3, "value", "[3].value: is wrong"),
        (3, None, "[3]: is wrong"),
        (None, "value", "value: is wrong"),
        (None, None, "is wrong"),
        (0, "", "[0].: is wrong"),
    ],
)
def test_a_flaw_reads_as_place_and_problem(index: int | None, field: str | None, sentence: str) -> None:
    assert str(Flaw(index, field, "is wrong", b"")) == sentence
