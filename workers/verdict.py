"""What an answer of the upstream means (pure, total): the table of the delivery contract, as code.

| answer | verdict |
|---|---|
| 2xx with `"status": "success"`, or without a body | Delivered |
| 2xx with `"status": "failure"`, 400, 409, 422 | Cut: some event of the array is refused |
| 413 | Cut, too large |
| 401, 402, 403, 404, 405, 3xx and other 4xx | Stop: the destination is misconfigured or unpaid, no event is to blame |
| 408, 425, 429, 5xx, 1xx, no answer, a 2xx body that is not the API's | Retry |
"""

from dataclasses import dataclass
from typing import Any, Final

import msgspec

from forwarder.key_settings import SCOPE
from forwarder.queue.dead_letters import ERROR_MAX_LENGTH
from workers.hints import named_index

_MENDS: Final = {
    401: f"the API key is refused; set {SCOPE}API_KEY",
    402: "the subscription is exhausted; renew it with the API's provider",
    403: f"the API key may not write feedback; give it the right, or set another {SCOPE}API_KEY",
    404: f"there is no Feedback API at this URL; check {SCOPE}BASE_URL and {SCOPE}FEEDBACK_PATH",
    405: f"the URL takes no POST; check {SCOPE}BASE_URL and {SCOPE}FEEDBACK_PATH",
    415: f"it does not take such bodies; unset {SCOPE}CONTENT_ENCODING, and check {SCOPE}BASE_URL",
}
_REDIRECT_MEND: Final = f"the URL redirects, and a key is never sent on; set {SCOPE}BASE_URL to where it leads"
_REFUSED: Final = (400, 409, 422)
_TOO_LARGE: Final = 413
_TRANSIENT: Final = (408, 425, 429)
_OVERLOADED: Final = (429, 503, 504)
"""What an upstream answers that would rather have fewer requests at once."""
_WAIT_FOR_ALL: Final = (429, 503)
"""Their Retry-After is meant for the client as a whole, not for one request (RFC 6585 section 4, RFC 9110 15.6.4)."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for one request.

    Attributes:
        status: the HTTP status; None when there was no answer.
        body: the answer's body, at most a few kilobytes of it.
        retry_after: the header of that name.
        failure: what went wrong with the connection, when there was no answer.
        reached: whether the upstream may have got the request.
        timed_out: whether it took too long.
    """

    status: int | None
    body: bytes = b""
    retry_after: str | None = None
    failure: str = ""
    reached: bool = True
    timed_out: bool = False


@dataclass(frozen=True, slots=True)
class Delivered:
    """The upstream has the events; it named so many feedback ids (None: it named none)."""

    ids: int | None


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again later.

    Attributes:
        error: why, in the upstream's words.
        cause: the same without its words, which may quote an event: for the log.
        retry_after: as it asked.
        for_all: whether that is meant for all requests to the destination.
        ambiguous: whether the upstream may already have the events.
        pushed_back: whether it would rather have fewer requests at once.
        answered: whether there was an answer at all.
    """

    error: str
    cause: str
    retry_after: str | None = None
    for_all: bool = False
    ambiguous: bool = False
    pushed_back: bool = False
    answered: bool = True


@dataclass(frozen=True, slots=True)
class Cut:
    """Some event is refused: cut in two, until it stands alone; then it is a dead letter of this reason.

    Attributes:
        error: why, in the upstream's words.
        reason: of the dead letter.
        index: the event that the upstream names, from 0; None when it names none.
    """

    error: str
    reason: str = "rejected"
    index: int | None = None


@dataclass(frozen=True, slots=True)
class Stop:
    """The destination takes nothing until somebody mends it.

    Attributes:
        error: why, and the mend; SCOPE stands in it for what the destination's variables begin with.
    """

    error: str


Verdict = Delivered | Retry | Cut | Stop


class _Body(msgspec.Struct):
    """The parts of an answer that matter; a list of ids goes by two names in the API's own SDKs."""

    status: str | None = None
    message: Any = None
    error: Any = None
    feedback_ids: Any = None
    feedback_id: Any = None


_decode = msgspec.json.Decoder(_Body).decode
_decode_object = msgspec.json.Decoder(dict[str, Any]).decode


def classify(answer: Answer) -> Verdict:
    """The verdict on an answer."""
    status = answer.status
    if status is None:
        return Retry(
            answer.failure, answer.failure, ambiguous=answer.reached, pushed_back=answer.timed_out, answered=False
        )
    if 200 <= status < 300:  # noqa: PLR2004 - HTTP's classes are clearer as numbers
        return _classify_success(answer, status)
    if status in _REFUSED:
        return Cut(describe(answer), index=_named(answer))
    if status == _TOO_LARGE:
        return Cut(describe(answer), "too_large")
    if status in _TRANSIENT or status < 300 or status >= 500:  # noqa: PLR2004 - as above
        return _transient(answer, status)
    mend = _MENDS.get(status, _REDIRECT_MEND if status < 400 else "check the destination's settings")  # noqa: PLR2004 - as above
    return Stop(f"HTTP {status}: {mend}")


def _transient(answer: Answer, status: int) -> Retry:
    return Retry(
        describe(answer),
        f"HTTP {status}",
        answer.retry_after,
        for_all=status in _WAIT_FOR_ALL,
        ambiguous=status >= 500,  # noqa: PLR2004 - a gateway's 502 or 504 may hide a success
        pushed_back=status in _OVERLOADED,
    )


def _classify_success(answer: Answer, status: int) -> Verdict:
    if not answer.body.strip():
        return Delivered(None)
    try:
        body = _decode(answer.body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return _unknown_body(status)
    if body.status == "failure":
        return Cut(describe(answer), index=_named(answer))
    ids = body.feedback_ids if body.feedback_ids is not None else body.feedback_id
    if body.status != "success" and ids is None:
        return _unknown_body(status)
    return Delivered(len(ids) if isinstance(ids, list) else None)


def _unknown_body(status: int) -> Retry:
    problem = f"HTTP {status} with a body that is not the API's"
    return Retry(problem, problem, ambiguous=True)


def _named(answer: Answer) -> int | None:
    try:
        return named_index(_decode_object(answer.body))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None


def describe(answer: Answer) -> str:
    """The upstream's own words: its error message, or the beginning of its body; one line."""
    try:
        body = _decode(answer.body)
        message = body.error.get("message") if isinstance(body.error, dict) else body.error or body.message
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        message = None
    text = message if isinstance(message, str) else answer.body.decode("utf-8", "replace")
    words = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * ERROR_MAX_LENGTH]).split())
    return f"HTTP {answer.status}: {words}"[:ERROR_MAX_LENGTH].rstrip(": ")
