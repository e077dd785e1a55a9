"""Spans: who handed an event over can be followed to the request that delivered it."""

import json
from collections.abc import Iterator
from typing import Any, cast

import pytest

from tests.support.collector import Collector
from tests.support.ingest import Ingest
from tests.support.programs import run_program
from tests.support.rig import Rig
from tests.support.waiting import eventually

CALLERS = "0af7651916cd43dd8448eb211c80319c"
PARENT = f"00-{CALLERS}-b7ad6b7169203331-01"
PRODUCER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

kept = InMemorySpanExporter()
provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(kept))
trace.set_tracer_provider(provider)
with FeedbackClient(mode=sys.argv[1]) as client:
    with trace.get_tracer("shop").start_as_current_span("checkout"):
        send(client, "t", 3)
for span in kept.get_finished_spans():
    context = span.get_span_context()
    print(span.name, f"{context.trace_id:032x}", f"{context.span_id:016x}", span.kind.name)
"""
"""A program with spans of its own; says what spans there were."""

TWO_AT_ONCE = """
import contextlib
from forwarder import tracing
from forwarder.client import direct, traced

class Spans:
    @contextlib.contextmanager
    def handing_over(self, destination):
        yield "00-" + threading.current_thread().name.zfill(32) + "-00f067aa0ba902b7-01"

traced.ProducerSpans = Spans
both, named = threading.Barrier(2), direct.new_chunk_id

def meet(*arguments):
    both.wait(60)
    return named(*arguments)

direct.new_chunk_id = meet
client = FeedbackClient(mode="direct")
threads = [threading.Thread(target=client.thumbs_up, args=(str(number),), name=str(number)) for number in (1, 2)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
"""
"""Two threads whose appends are both within their spans at one moment; a trace id is its thread's name."""


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as started:
        yield started


@pytest.mark.parametrize("mode", ["buffered", "direct"])
def test_a_batch_is_linked_to_the_spans_of_those_who_handed_its_events_over(
    rig: Rig, collector: Collector, mode: str
) -> None:
    rig.variables |= collector.variables
    done = run_program(rig, PRODUCER, mode)
    told = [line.split() for line in done.stdout.splitlines()]
    handed_over = {(trace_id, span_id) for name, *_, trace_id, span_id, kind in told if kind == "PRODUCER"}
    (checkout,) = [trace_id for name, trace_id, *_ in told if name == "checkout"]
    assert len(handed_over) == 3, done.stdout + done.stderr
    assert {trace_id for trace_id, _ in handed_over} == {checkout}
    rig.start_worker("--burst")
    rig.assert_everything_arrived(3)
    assert eventually(lambda: len(collector.named("deliver default")) > 0), rig.log.read_text()
    batches = collector.named("deliver default")
    assert {link for batch in batches for link in batch.links} == handed_over
    assert sum(batch.about["messaging.batch.message_count"] for batch in batches) == 3
    assert {batch.service for batch in batches} == {"feedback-forwarder-worker"}
    requests = {span.parent_id: span.about["http.response.status_code"] for span in collector.named("POST")}
    assert requests == {batch.span_id: 200 for batch in batches}
    assert all(not batch.parent_id for batch in batches)


def test_each_of_two_threads_hands_over_under_its_own_span(rig: Rig) -> None:
    rig.variables["FORWARDER_TRACING"] = "on"
    done = run_program(rig, TWO_AT_ONCE)
    assert not done.stderr
    entries: Any = rig.redis.xrange(rig.keys.events)
    spans = {json.loads(fields[b"body"])["trace_id"]: fields[b"traceparent"].decode() for _, fields in entries}
    assert {trace_id: int(span.split("-")[1]) for trace_id, span in spans.items()} == {"1": 1, "2": 2}


def test_the_ingest_goes_on_with_its_callers_trace(rig: Rig, collector: Collector) -> None:
    rig.variables |= collector.variables
    with Ingest(rig) as ingest:
        assert ingest.post({"trace_id": "t", "value": 1}, traceparent=PARENT).status_code == 202
        assert ingest.post({"trace_id": "t", "value": 1}, traceparent="nonsense").status_code == 202
    spans = collector.named("append")
    assert {span.service for span in spans} == {"feedback-forwarder-ingest"}
    (of_caller,) = [span for span in spans if span.trace_id == CALLERS]
    assert (len(spans), of_caller.parent_id) == (2, PARENT.split("-")[2])
    entries: Any = rig.redis.xrange(rig.keys.events)
    kept = [fields[b"traceparent"].decode() for _, fields in entries]
    assert {parent.split("-")[2] for one in kept for parent in one.split()} == {span.span_id for span in spans}


def test_a_link_outlives_the_spill_file_and_a_cut(rig: Rig, collector: Collector) -> None:
    rig.variables |= {**collector.variables, "FORWARDER_INGEST_SPILL": "on", "FORWARDER_REDIS_TIMEOUT_S": "0.3"}
    with Ingest(rig) as ingest:
        rig.server.stop()
        events = [{"trace_id": trace_id, "value": 1} for trace_id in "tu"]
        assert ingest.post(events, traceparent=PARENT).status_code == 202
        rig.server.start()
        assert eventually(lambda: rig.redis.xlen(rig.keys.events) == 1), rig.log.read_text()
    rig.variables["FORWARDER_BATCH_MAX_EVENTS"] = "1"  # so that the entry is cut
    rig.start_worker("--burst")
    rig.assert_everything_arrived(2)
    (handed_over,) = collector.named("append")
    assert eventually(lambda: len(collector.named("deliver default")) == 2), rig.log.read_text()
    linked = [span.links for span in collector.named("deliver default")]
    assert linked == [[(CALLERS, handed_over.span_id)]] * 2


def test_what_anybody_writes_there_does_no_harm(rig: Rig, collector: Collector) -> None:
    rig.variables |= collector.variables
    for text in (b"\xff\x00", b"00-" + b"0" * 32 + b"-" + b"0" * 16 + b"-01", b"x " * 100_000, PARENT.encode()):
        rig.redis.xadd(rig.keys.events, {"body": '{"trace_id":"t","value":1}', "traceparent": text})
    rig.start_worker("--burst")
    assert rig.settled()["delivered"] == 4
    assert eventually(lambda: [link for span in collector.named("deliver default") for link in span.links])
    assert {link for span in collector.named("deliver default") for link in span.links} == {
        (CALLERS, PARENT.split("-")[2])
    }


def test_a_collector_that_is_away_costs_no_event(rig: Rig) -> None:
    rig.variables |= {"FORWARDER_TRACING": "on", "OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    with rig.client() as client:
        client.thumbs_up("t")
    rig.start_worker()
    rig.assert_everything_arrived(1)


def test_nothing_of_it_is_imported_unless_it_is_on(rig: Rig) -> None:
    program = """
client = FeedbackClient(mode="direct")
client.thumbs_up("t")
say(str("forwarder.tracing" in sys.modules))
"""
    assert run_program(rig, program).stdout.split() == ["False"]
    ((_, fields),) = cast("Any", rig.redis.xrange(rig.keys.events))
    assert b"traceparent" not in fields
