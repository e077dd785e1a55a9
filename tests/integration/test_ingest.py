"""The HTTP ingest as its callers meet it: real requests to `forwarder serve`, on a real queue."""

import gzip
import json
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as budget
from hypothesis import strategies as st
from prometheus_client.parser import text_string_to_metric_families

from tests.integration.conftest import StartRig
from tests.support.ingest import JSON, Ingest, answer_on, request, zstd_compress
from tests.support.ingest_answers import assert_refused, entries
from tests.support.rig import Rig

EVENT = {"trace_id": "t1", "value": 1}
Compress = Callable[[bytes], bytes]


@pytest.fixture(scope="module")
def rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder:
        limits = {"FORWARDER_INGEST_BODY_MAX_BYTES": "20000", "FORWARDER_INGEST_ARRAY_MAX_EVENTS": "100"}
        with Rig(Path(folder), **limits) as rig:
            yield rig


@pytest.fixture(scope="module")
def ingest(rig: Rig) -> Iterator[Ingest]:
    with Ingest(rig) as ingest:
        yield ingest


def bodies(rig: Rig) -> list[Any]:
    """What waits on the queue."""
    return [json.loads(fields[b"body"]) for fields in entries(rig, "default")]


# What is taken


@pytest.mark.parametrize("path", ["/v1/feedback/", "/v1/feedback"])
def test_one_event_is_on_the_queue_when_it_is_answered(rig: Rig, ingest: Ingest, path: str) -> None:
    event = {"trace_id": f"one{path}", "value": 5, "text": "spot on", "weight": 0.5, "metadata": {"_user": "u1"}}
    answer = ingest.http.post(path, json=event)
    assert answer.status_code == 202
    assert event in bodies(rig)
    told = answer.json()
    assert set(told) == {"status", "message", "feedback_ids"}
    assert told["status"] == "success"
    assert [uuid.UUID(feedback_id).version for feedback_id in told["feedback_ids"]] == [4]


def test_an_array_has_an_id_for_each_event_all_different(rig: Rig, ingest: Ingest) -> None:
    events = [{"trace_id": f"many{number}", "value": 1} for number in range(100)]
    ids = [*ingest.post(events).json()["feedback_ids"], *ingest.post(EVENT).json()["feedback_ids"]]
    assert len(set(ids)) == len(ids) == 101
    assert ids == sorted(ids)
    assert events in bodies(rig)


def test_requests_that_come_together_share_appends(rig: Rig, ingest: Ingest) -> None:
    before = rig.books()
    connections = [ingest.connect() for _ in range(50)]
    for connection in connections:
        connection.sendall(request(json.dumps(EVENT).encode()))
    answers = [answer_on(connection) for connection in connections]
    after = rig.books()
    assert {status for status, _ in answers} == {202}
    assert after["accepted"] - before["accepted"] == 50
    assert after.entries_added - before.entries_added < 25
    for connection in connections:
        connection.close()


@pytest.mark.parametrize(
    ("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstd_compress), ("GZIP", gzip.compress)]
)
def test_a_compressed_body_is_inflated(rig: Rig, ingest: Ingest, coding: str, compress: Compress) -> None:
    event = {"trace_id": f"packed-{coding}", "value": 1}
    answer = ingest.post_bytes(compress(json.dumps(event).encode()), **JSON, content_encoding=coding)
    assert answer.status_code == 202, answer.text
    assert event in bodies(rig)


def test_what_is_not_canonical_is_taken_and_mended(rig: Rig, ingest: Ingest) -> None:
    assert ingest.post({"trace_id": "mended", "value": 5.0, "text": None}).status_code == 202
    assert {"trace_id": "mended", "value": 5} in bodies(rig)


def test_the_status_can_be_the_apis_own(start_rig: StartRig) -> None:
    with Ingest(start_rig(FORWARDER_INGEST_STATUS="200")) as ingest:
        assert ingest.post(EVENT).status_code == 200


# What is refused


@pytest.mark.parametrize(
    ("body", "status", "param", "words"),
    [
        (b"", 400, None, ["empty"]),
        (b'{"trace_id": "t1", "value":', 400, None, ["not JSON"]),
        (b'{"trace_id": "t\xff", "value": 1}', 400, "trace_id", ["UTF-8"]),
        (b'[{"trace_id": "t1", "value": 1}, {"trace_id": "t2", "value": NaN}]', 400, "[1].value", ["not JSON"]),
        (
            b'{"0": {"trace_id": "t1", "value": 1}, "1": {"trace_id": "t2", "value": 1}}',
            400,
            None,
            ["Node SDK", "array"],
        ),
        (b"[]", 422, None, ["empty array"]),
        (b"5", 422, None, ["object"]),
        (b'{"trace_id": "t1", "value": 11}', 422, "value", ["from -10 to 10", "got 11"]),
        (b'[{"trace_id": "t1", "value": 1}, {"trace_id": "t2", "value": "x"}]', 422, "[1].value", ["integer"]),
        (b'{"trace_id": "t1", "value": 1, "wait": 1}', 422, "wait", ["known"]),
        (b'{"trace_id": "t1", "value": 1, "metadata": {"a": 1e999}}', 422, "metadata", ["out of range"]),
        (
            b'{"trace_id": "t1", "value": 1, "metadata": ' + b'{"a":' * 2_000 + b"1" + b"}" * 2_001,
            422,
            "metadata",
            ["deep"],
        ),
    ],
    ids=lambda value: value[:20].decode("latin-1") if isinstance(value, bytes) else "",
)
def test_a_wrong_body_is_refused_with_its_place(
    ingest: Ingest, body: bytes, status: int, param: str | None, words: list[str]
) -> None:
    assert_refused(ingest.post_bytes(body, **JSON), status, *words, param=param)


def test_an_array_is_refused_whole(rig: Rig, ingest: Ingest) -> None:
    before = rig.books()["accepted"]
    events = [{"trace_id": f"whole{number}", "value": 1} for number in range(10)]
    assert_refused(ingest.post([*events, {"trace_id": "bad"}]), 422, "required", param="[10].value")
    assert rig.books()["accepted"] == before


@pytest.mark.parametrize(
    "kind", ["text/plain", "application/x-www-form-urlencoded", "", "application/json; charset=utf-16"]
)
def test_another_content_type_is_refused(ingest: Ingest, kind: str) -> None:
    headers = {"content-type": kind} if kind else {}
    assert_refused(ingest.post_bytes(json.dumps(EVENT).encode(), **headers), 415, "content-type")


def test_a_charset_that_says_the_same_is_taken(ingest: Ingest) -> None:
    assert ingest.post(EVENT, content_type="application/json; charset=UTF-8").status_code == 202


def test_what_is_too_large_is_told_the_limit(ingest: Ingest) -> None:
    assert_refused(ingest.post({**EVENT, "text": "x" * 20_000}), 413, "FORWARDER_INGEST_BODY_MAX_BYTES is 20000")
    assert_refused(ingest.post([EVENT] * 101), 413, "101", "FORWARDER_INGEST_ARRAY_MAX_EVENTS is 100")

    def pieces() -> Iterator[bytes]:
        yield from [b" " * 5_000] * 10

    answer = ingest.http.post("/v1/feedback", content=pieces(), headers=JSON)
    assert_refused(answer, 413, "FORWARDER_INGEST_BODY_MAX_BYTES")


@pytest.mark.parametrize(("coding", "compress"), [("gzip", gzip.compress), ("zstd", zstd_compress)])
def test_a_bomb_is_not_inflated_beyond_the_limit(ingest: Ingest, coding: str, compress: Compress) -> None:
    bomb = compress(b" " * 50_000_000)
    assert len(bomb) < 100_000
    assert_refused(ingest.post_bytes(bomb[:20_000] if coding == "gzip" else bomb, **JSON, content_encoding=coding), 413)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_that_is_not_what_its_coding_says_is_refused(ingest: Ingest, coding: str) -> None:
    assert_refused(ingest.post_bytes(json.dumps(EVENT).encode(), **JSON, content_encoding=coding), 400, coding)
    compress = gzip.compress if coding == "gzip" else zstd_compress
    cut = compress(json.dumps(EVENT).encode())[:-3]
    assert_refused(ingest.post_bytes(cut, **JSON, content_encoding=coding), 400, "cut")


def test_another_coding_is_refused_with_those_that_are_known(ingest: Ingest) -> None:
    answer = ingest.post(EVENT, content_encoding="br")
    assert_refused(answer, 415, "gzip, zstd")
    assert answer.headers["accept-encoding"] == "gzip, zstd"


def test_an_update_is_told_where_to_go(ingest: Ingest) -> None:
    answer = ingest.http.put("/v1/feedback/f1", json={"value": 1})
    assert_refused(answer, 405, "Feedback API itself", "after delivery")
    assert answer.headers["allow"] == ""


def test_other_methods_and_paths_are_told_what_is_possible(ingest: Ingest) -> None:
    answer = ingest.http.get("/v1/feedback")
    assert_refused(answer, 405, "POST")
    assert answer.headers["allow"] == "POST"
    assert_refused(ingest.http.get("/v2/feedback"), 404, "/v1/feedback/")
    assert_refused(ingest.http.options("/v1/feedback"), 405)


def test_a_request_id_of_the_caller_is_kept_when_it_is_fit(ingest: Ingest) -> None:
    assert ingest.post([], x_request_id="req-1").headers["x-request-id"] == "req-1"
    assert ingest.post([], x_request_id="two words").headers["x-request-id"] != "two words"


@given(
    body=st.binary(max_size=300)
    | st.text(max_size=100).map(str.encode)
    | st.recursive(
        st.none() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["trace_id", "value", "0"]),
        lambda inner: (
            st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["trace_id", "value", "weight", "0"]), inner)
        ),
    ).map(lambda value: json.dumps(value).encode()),
    coding=st.sampled_from(["identity", "gzip", "zstd"]),
)
@budget(max_examples=150, deadline=None)
def test_no_body_is_answered_500(ingest: Ingest, body: bytes, coding: str) -> None:
    answer = ingest.post_bytes(body, **JSON, content_encoding=coding)
    assert answer.status_code in (202, 400, 413, 422), answer.text


# Browsers


def test_other_origins_are_not_let_in_by_default(ingest: Ingest) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    assert_refused(ingest.http.options("/v1/feedback", headers=asked), 405)
    assert "access-control-allow-origin" not in ingest.post(EVENT, **asked).headers


def test_an_origin_of_the_settings_is_let_in(start_rig: StartRig) -> None:
    asked = {"Origin": "https://app.example", "Access-Control-Request-Method": "POST"}
    with Ingest(start_rig(FORWARDER_INGEST_CORS_ORIGINS="https://app.example, https://b.example")) as ingest:
        preflight = ingest.http.options("/v1/feedback", headers=asked)
        assert (preflight.status_code, preflight.content) == (204, b"")
        assert preflight.headers["access-control-allow-origin"] == "https://app.example"
        assert "x-portkey-api-key" in preflight.headers["access-control-allow-headers"]
        for body in (EVENT, {}):
            assert ingest.post(body, **asked).headers["access-control-allow-origin"] == "https://app.example"
        stranger = asked | {"Origin": "https://evil.example"}
        assert ingest.http.options("/v1/feedback", headers=stranger).status_code == 405
        assert "access-control-allow-origin" not in ingest.post(EVENT, **stranger).headers


# What machines and people ask


def test_probes_and_documents(ingest: Ingest) -> None:
    assert ingest.http.get("/healthz").json() == {"status": "ok"}
    assert ingest.http.get("/readyz").json()["status"] == "ready"
    assert ingest.http.head("/healthz").content == b""
    described = ingest.http.get("/openapi.json").json()
    assert described["openapi"] == "3.1.0"
    many = described["paths"]["/v1/feedback"]["post"]["requestBody"]["content"]["application/json"]["schema"]["anyOf"][
        1
    ]
    assert many["maxItems"] == 100
    page = ingest.http.get("/docs")
    assert page.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert "trace_id" in page.text
    assert not re.findall(r"(?:src|href)=.?(?:https?:)?//", page.text), "nothing comes from elsewhere"


def test_metrics_are_the_ledgers(rig: Rig, ingest: Ingest) -> None:
    ingest.post(EVENT)
    told = ingest.http.get("/metrics")
    assert told.headers["content-type"].startswith("text/plain; version=0.0.4")
    families = {
        sample.name: sample.value for family in text_string_to_metric_families(told.text) for sample in family.samples
    }
    assert families["forwarder_accepted_total"] == rig.books()["accepted"] > 0
    assert families["forwarder_pending"] == rig.books()["pending"]
