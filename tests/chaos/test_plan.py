"""The plan of a chaos run: repeatable, varied, and dense enough."""

import itertools
import random
from collections.abc import Sequence

import pytest

from tests.chaos.__main__ import EVERY_S
from tests.chaos.faults import ALL, KINDS, ON_CLUSTER, SWITCHED_OFF, cluster
from tests.chaos.faults.kind import Kind
from tests.chaos.plan import Planned, plan

TEN_MINUTES_S = 600


def planned(seed: int, seconds: float = TEN_MINUTES_S, kinds: Sequence[Kind] = KINDS) -> list[Planned]:
    faults = plan(random.Random(seed), kinds, EVERY_S)  # noqa: S311 - repeatable on purpose
    return list(itertools.takewhile(lambda one: one.at_s < seconds, faults))


def shown(faults: list[Planned]) -> list[str]:
    return [f"{one.at_s} {one.lasts_s} {one.kind.name} {vars(one.fault)}" for one in faults]


@pytest.mark.parametrize("kinds", [KINDS, ON_CLUSTER], ids=["one server", "cluster"])
@pytest.mark.parametrize("seed", range(5))
def test_ten_minutes_have_more_than_200_faults_of_every_kind(seed: int, kinds: Sequence[Kind]) -> None:
    faults = planned(seed, kinds=kinds)
    assert len(faults) > 200
    assert {one.kind.name for one in faults} == {kind.name for kind in kinds}


def test_a_seed_gives_the_same_faults_again_and_another_gives_others() -> None:
    assert shown(planned(7)) == shown(planned(7))
    assert shown(planned(7)) != shown(planned(8))


def test_a_longer_run_begins_as_a_shorter_one_of_the_same_seed() -> None:
    short = shown(planned(7, 60))
    assert short
    assert shown(planned(7))[: len(short)] == short


def test_faults_overlap_but_not_those_that_hit_the_same_thing() -> None:
    faults = planned(3)
    over_at: dict[str, float] = {}
    for one in faults:
        assert one.at_s >= over_at.get(one.kind.held, 0)
        over_at[one.kind.held] = one.at_s + one.lasts_s
    assert any(later.at_s < one.at_s + one.lasts_s for one, later in itertools.pairwise(faults))


def test_every_kind_has_a_name_of_its_own_and_those_switched_off_are_known() -> None:
    assert len(ALL) >= 20
    assert SWITCHED_OFF.keys() <= ALL.keys()
    assert len(ON_CLUSTER) == len(ALL) - len(SWITCHED_OFF)
    assert {kind.held for kind in set(ON_CLUSTER) - set(KINDS)} == {cluster.HELD}
