import json
from itertools import islice

import pytest

from forwarder.feedback import codec
from tests.benchmarks.events import body_of, event_of, written
from tests.benchmarks.latency import quantile
from tests.benchmarks.sink import MARK


def test_made_up_events_are_valid_and_differ_and_are_the_same_ones_each_time() -> None:
    made = [codec().encode(event) for event in written(2_000)]
    assert len(set(made)) == 2_000
    assert 115 < sum(map(len, made)) / 2_000 < 125
    members = codec().members(b"[" + b",".join(made) + b"]")
    assert members is not None
    assert members.count == 2_000
    assert [codec().encode(event) for event in islice(written(5_000), 2_000)] == made


@pytest.mark.parametrize("size", [90, 120, 1_000])
def test_padded_events_have_their_size_and_are_counted_by_the_sink_once_each(size: int) -> None:
    body = body_of(3, size)
    assert [len(event_of(number, size)) for number in range(3)] == [max(size, 91)] * 3
    assert body.count(MARK) == len(json.loads(body)) == 3


def test_quantiles_are_values_that_were_there() -> None:
    values = [float(value) for value in range(200, 0, -1)]
    assert [quantile(values, share) for share in (0.0, 0.5, 0.99, 1.0)] == [1, 100, 198, 200]
