"""What a drain does beside its work: how often."""

import pytest

from workers.pulse import BEAT_S, beat_s


@pytest.mark.parametrize("ttl_s", [1, 2, 10, 600])
def test_a_lease_outlives_two_missed_beats_whatever_its_life_is(ttl_s: float) -> None:
    assert 3 * beat_s(ttl_s) <= ttl_s
    assert beat_s(ttl_s) <= BEAT_S
