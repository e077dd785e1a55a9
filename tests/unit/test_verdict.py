import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.verdict import Answer, Cut, Delivered, Retry, Stop, classify, describe

SUCCESS = b'{"status":"success","message":"ok","feedback_ids":["a","b"]}'


def kind_of(status: int) -> type[object]:
    """The table of the delivery contract, written down a second time, as a test should."""
    if 200 <= status <= 299:
        return Delivered
    if status in (400, 409, 413, 422):
        return Cut
    if status in (408, 425, 429) or status >= 500 or status <= 199:
        return Retry
    return Stop


@pytest.mark.parametrize("status", range(100, 600))
def test_each_status_has_the_verdict_of_the_table(status: int) -> None:
    assert type(classify(Answer(status))) is kind_of(status)


@pytest.mark.parametrize("status", [413, 400, 409, 422])
def test_only_413_calls_an_event_too_large(status: int) -> None:
    verdict = classify(Answer(status))
    assert isinstance(verdict, Cut)
    assert verdict.reason == ("too_large" if status == 413 else "rejected")


@pytest.mark.parametrize(
    ("status", "mend"),
    [
        (401, "{scope}API_KEY"),
        (402, "subscription"),
        (403, "{scope}API_KEY"),
        (404, "{scope}BASE_URL"),
        (405, "{scope}BASE_URL"),
        (415, "{scope}CONTENT_ENCODING"),
        (301, "redirects"),
        (307, "redirects"),
        (410, "settings"),
    ],
)
def test_a_stop_names_its_status_and_the_mend(status: int, mend: str) -> None:
    verdict = classify(Answer(status))
    assert isinstance(verdict, Stop)
    assert verdict.error.startswith(f"HTTP {status}: ")
    assert mend in verdict.error


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504, 599])
def test_retry_after_is_passed_on(status: int) -> None:
    verdict = classify(Answer(status, retry_after="17"))
    assert isinstance(verdict, Retry)
    assert verdict.retry_after == "17"


@pytest.mark.parametrize(
    ("answer", "ambiguous"),
    [
        (Answer(429), False),
        (Answer(408), False),
        (Answer(425), False),
        (Answer(500), True),
        (Answer(502), True),
        (Answer(504), True),
        (Answer(200, b"<html>"), True),
        (Answer(None, failure="ReadTimeout", reached=True), True),
        (Answer(None, failure="ConnectError", reached=False), False),
    ],
)
def test_only_what_may_have_been_stored_is_ambiguous(answer: Answer, *, ambiguous: bool) -> None:
    verdict = classify(answer)
    assert isinstance(verdict, Retry)
    assert verdict.ambiguous is ambiguous


def test_no_answer_is_retried_with_the_words_of_the_failure() -> None:
    words = "ConnectError: refused"
    assert classify(Answer(None, failure=words, reached=False)) == Retry(words, words, answered=False)


def test_the_cause_of_a_retry_that_is_logged_quotes_nothing_of_the_upstream() -> None:
    verdict = classify(Answer(503, b'{"error":{"message":"busy with private words"}}'))
    assert verdict == Retry(
        "HTTP 503: busy with private words", "HTTP 503", for_all=True, ambiguous=True, pushed_back=True
    )


# 2xx


@pytest.mark.parametrize(
    ("body", "ids"),
    [
        (b"", None),
        (b" \n", None),
        (SUCCESS, 2),
        (b'{"status":"success"}', None),
        (b'{"status":"success","feedback_ids":null}', None),
        (b'{"status":"success","feedback_ids":[]}', 0),
        (b'{"status":"success","feedback_id":["a","b","c"]}', 3),
        (b'{"status":"success","feedback_id":"a"}', None),
        (b'{"feedback_ids":["a"]}', 1),
        (b'{"feedback_id":["a"]}', 1),
        (b'{"status":"success","feedback_ids":["a"],"feedback_id":["a","b"]}', 1),
        (b'{"status":"success","extra":{"deep":[1]}}', None),
        (b'{"status":"success","message":{"not":"text"}}', None),
    ],
)
def test_a_success_is_delivered_with_the_number_of_ids(body: bytes, ids: int | None) -> None:
    assert classify(Answer(200, body)) == Delivered(ids)
    assert classify(Answer(201, body)) == Delivered(ids)


@pytest.mark.parametrize(
    "body",
    [
        b"<html>welcome</html>",
        b"OK",
        b"{}",
        b"[]",
        b"null",
        b"1",
        b'"success"',
        b"{",
        b"\xff\xfe",
        b'{"status":1}',
        b'{"status":"pending"}',
        b'{"status":null}',
        b'{"status":"SUCCESS"}',
        b"[" * 10_000,
        b'{"message":' + b"[" * 10_000,
    ],
)
def test_a_success_whose_body_is_not_the_apis_is_retried_as_ambiguous(body: bytes) -> None:
    verdict = classify(Answer(200, body))
    words = "HTTP 200 with a body that is not the API's"
    assert verdict == Retry(words, words, ambiguous=True)


def test_a_200_that_says_failure_is_a_refusal_in_its_own_words() -> None:
    body = b'{"status":"failure","message":"trace not found","feedback_ids":["a"]}'
    assert classify(Answer(200, body)) == Cut("HTTP 200: trace not found")


# describe


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b'{"error":{"message":"bad value","code":"E1"}}', "HTTP 400: bad value"),
        (b'{"error":"bad value"}', "HTTP 400: bad value"),
        (b'{"message":"bad value"}', "HTTP 400: bad value"),
        (b'{"status":"failure","message":"bad value"}', "HTTP 400: bad value"),
        (b'{"error":{"message":"first"},"message":"second"}', "HTTP 400: first"),
        (b'{"error":{"code":7}}', 'HTTP 400: {"error":{"code":7}}'),
        (b'{"error":{"message":[1]}}', 'HTTP 400: {"error":{"message":[1]}}'),
        (b'{"detail":"x"}', 'HTTP 400: {"detail":"x"}'),
        (b"<html>\n <b>Bad\tGateway</b>\r\n</html>", "HTTP 400: <html> <b>Bad Gateway</b> </html>"),
        (b"", "HTTP 400"),
        (b" \n ", "HTTP 400"),
        (b"a\x00b\x1b[31mc\x7f", "HTTP 400: a b [31mc"),
        ("schlecht: größer als erlaubt".encode(), "HTTP 400: schlecht: größer als erlaubt"),
        (b'{"message":"a\\u0000\\u001b\\u2028\\u202eb"}', "HTTP 400: a b"),
    ],
)
def test_an_error_is_described_in_the_upstreams_own_words_on_one_line(body: bytes, words: str) -> None:
    assert describe(Answer(400, body)) == words


def test_binary_is_described_without_harm() -> None:
    words = describe(Answer(400, bytes(range(256))))
    assert words.isprintable()
    assert words.startswith("HTTP 400: !\"#$%&'()")


@pytest.mark.parametrize("length", [489, 490, 491, 5_000])
def test_a_description_has_at_most_500_characters(length: int) -> None:
    for body in (b"x" * length, json.dumps({"message": "x" * length}).encode()):
        assert len(describe(Answer(400, body))) == min(500, len("HTTP 400: ") + length)


# Totality

BODIES = (
    st.binary(max_size=200)
    | st.text().map(lambda text: text.encode("utf-8", "surrogatepass"))
    | st.fixed_dictionaries(
        {},
        optional={
            name: st.none()
            | st.booleans()
            | st.integers()
            | st.text()
            | st.lists(st.text(), max_size=3)
            | st.dictionaries(st.sampled_from(["message", "code"]), st.none() | st.integers() | st.text())
            for name in ("status", "message", "error", "feedback_ids", "feedback_id")
        },
    ).map(lambda fields: json.dumps(fields).encode())
)


@given(st.none() | st.integers(-1, 1_000), BODIES, st.none() | st.text(), st.booleans())
def test_every_answer_has_a_verdict(status: int | None, body: bytes, retry_after: str | None, reached: bool) -> None:  # noqa: FBT001 - drawn
    verdict = classify(Answer(status, body, retry_after, reached=reached))
    if isinstance(verdict, Delivered):
        assert status is not None
        assert 200 <= status < 300
    else:
        assert len(verdict.error) <= 500
        assert "\n" not in verdict.error


@given(st.integers(100, 599), BODIES)
def test_every_description_is_one_printable_line(status: int, body: bytes) -> None:
    words = describe(Answer(status, body))
    assert words.startswith(f"HTTP {status}")
    assert words.isprintable()
    assert len(words) <= 500
