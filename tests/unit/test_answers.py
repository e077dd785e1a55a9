"""The one shape in which errors are told, as the Feedback API tells them."""

import json

import pytest

from forwarder.answers import JSON, Refused, error_reply, json_reply, refuse, success_reply


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (400, "invalid_request_error", "invalid_request"),
        (401, "authentication_error", "invalid_api_key"),
        (403, "permission_error", "forbidden"),
        (404, "not_found_error", "not_found"),
        (405, "invalid_request_error", "method_not_allowed"),
        (408, "invalid_request_error", "timeout"),
        (409, "invalid_request_error", "conflict"),
        (413, "invalid_request_error", "too_large"),
        (415, "invalid_request_error", "unsupported_media_type"),
        (418, "invalid_request_error", "refused"),
        (422, "invalid_request_error", "invalid_definition"),
        (429, "rate_limit_error", "rate_limited"),
        (431, "invalid_request_error", "header_too_large"),
        (499, "invalid_request_error", "refused"),
        (500, "server_error", "unavailable"),
        (503, "server_error", "unavailable"),
    ],
)
def test_each_status_has_a_type_and_a_code_that_programs_know(status: int, kind: str, code: str) -> None:
    reply = error_reply(status, "why", "[3].value", {"allow": "GET"})
    assert json.loads(reply.body) == {"error": {"message": "why", "type": kind, "code": code, "param": "[3].value"}}
    assert (reply.status, reply.content_type, reply.headers) == (status, JSON, {"allow": "GET"})


def test_what_is_refused_carries_its_reply() -> None:
    refused = refuse(429, "why", None, {"retry-after": "1"})
    assert isinstance(refused, Refused)
    assert refused.reply == error_reply(429, "why", None, {"retry-after": "1"})
    assert str(refused) == "429"


def test_what_is_taken_is_told_with_its_ids() -> None:
    reply = success_reply("taken", ["a", "b"], 202)
    assert (reply.status, reply.content_type, reply.headers) == (202, "application/json", {})
    assert json.loads(reply.body) == {"status": "success", "message": "taken", "feedback_ids": ["a", "b"]}
    assert success_reply("taken", []).status == json_reply({}).status == 200
    assert json_reply({}).headers == {}
