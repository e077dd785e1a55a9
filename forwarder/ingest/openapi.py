"""The OpenAPI description of the ingest, with the limits in force."""

from typing import Any, Final

from forwarder.console.mount import is_offered
from forwarder.feedback import VALUE_MAX, VALUE_MIN
from forwarder.operations.openapi import described
from forwarder.settings import Settings

JsonObject = dict[str, Any]

REFUSALS: Final = {
    "400": "The body is not JSON, cannot be inflated, or is an object with the keys 0, 1 and so on, not an array.",
    "401": "The API key is missing or wrong.",
    "413": "The body or the array is too large; the message names the limit.",
    "415": "The content-type is not application/json, or the content-encoding neither gzip nor zstd.",
    "422": "An event breaks the model; `param` is its place, as `[3].value`. Nothing of the array is taken.",
    "503": "The queue cannot be reached or is full. Send it again after Retry-After seconds.",
}
_ABOUT: Final = (
    "Takes feedback exactly as the Feedback API does, keeps it on a queue, and delivers it. An answer with success "
    "means that the queue has the events. The ids are the forwarder's own, in the order of the input; the API gives "
    "its ids at delivery, so `PUT /v1/feedback/{id}` is answered 405: updates go to the API itself. Bodies may be "
    "compressed with gzip or zstd (`Content-Encoding`). Every error has the shape of `Error` and an `X-Request-Id`."
)


def openapi(settings: Settings) -> JsonObject:
    """The description, as what JSON can hold."""
    secured: list[JsonObject] = [{"portkey": []}, {"bearer": []}] if settings.ingest_keys else [{}]
    paths, schemas = described(secured=not settings.console_is_open) if is_offered(settings) else ({}, {})
    return {
        "openapi": "3.1.0",
        "info": {"title": "Feedback forwarder", "version": "1", "description": _ABOUT},
        "paths": {
            "/v1/feedback/": {"post": _post(settings, secured, "create_feedback")},
            "/v1/feedback": {"post": _post(settings, secured, "create_feedback_without_slash")},
            "/healthz": {"get": _get("health", "Whether the process can answer.", "Health")},
            "/readyz": {"get": _get("ready", "Whether Redis answers and the backlogs are under their cap.", "Ready")},
            "/metrics": {"get": _metrics()},
            **paths,
        },
        "components": {
            "schemas": {"Feedback": _feedback(settings), **_ANSWERS, **schemas},
            "securitySchemes": {
                "portkey": {"type": "apiKey", "in": "header", "name": "x-portkey-api-key"},
                "bearer": {"type": "http", "scheme": "bearer"},
            },
        },
    }


def _post(settings: Settings, secured: list[JsonObject], operation: str) -> JsonObject:
    one = _reference("Feedback")
    many = {"type": "array", "items": one, "minItems": 1, "maxItems": settings.ingest_array_max_events}
    refusals = {status: _answer(about, "Error") for status, about in REFUSALS.items()}
    if not settings.ingest_keys:
        del refusals["401"]
    return {
        "operationId": operation,
        "summary": "Send one feedback object, or an array of them",
        "description": f"A body has at most {settings.ingest_body_max_bytes} bytes, also inflated.",
        "security": secured,
        "requestBody": {"required": True, "content": {"application/json": {"schema": {"anyOf": [one, many]}}}},
        "responses": {settings.ingest_status: _answer("The queue has the events.", "Accepted"), **refusals},
    }


def _get(operation: str, summary: str, schema: str) -> JsonObject:
    responses = {"200": _answer("Yes.", schema), "503": _answer("No.", "Error")}
    return {"operationId": operation, "summary": summary, "responses": responses}


def _metrics() -> JsonObject:
    text = {"description": "The books.", "content": {"text/plain": {"schema": {"type": "string"}}}}
    about = "The books of every destination, for Prometheus."
    return {
        "operationId": "metrics",
        "summary": about,
        "responses": {"200": text, "503": _answer("Redis does not answer.", "Error")},
    }


def _answer(about: str, schema: str) -> JsonObject:
    return {"description": about, "content": {"application/json": {"schema": _reference(schema)}}}


def _reference(schema: str) -> JsonObject:
    return {"$ref": f"#/components/schemas/{schema}"}


def _feedback(settings: Settings) -> JsonObject:
    trace_id = {"type": "string", "minLength": 1, "maxLength": settings.trace_id_max_length}
    return _object(
        {
            "trace_id": trace_id | {"description": "Of the generation or conversation that it is about."},
            "value": {"type": "integer", "minimum": VALUE_MIN, "maximum": VALUE_MAX},
            "weight": {"type": ["number", "null"], "minimum": 0, "maximum": 1, "description": "1.0 when left out."},
            "text": {"type": ["string", "null"], "description": "A comment."},
            "metadata": {
                "type": ["object", "null"],
                "description": "Anything; `_user`, `_prompt` and `_environment` are what the API groups by.",
            },
        },
        required=["trace_id", "value"],
    )


def _object(properties: JsonObject, required: list[str] | None = None) -> JsonObject:
    """An object with these fields and no others; all are required unless it is said which."""
    wanted = list(properties) if required is None else required
    return {"type": "object", "required": wanted, "additionalProperties": False, "properties": properties}


_TEXT: Final = {"type": "string"}
_ERROR: Final = {"message": _TEXT, "type": _TEXT, "code": _TEXT, "param": {"type": ["string", "null"]}}
_ANSWERS: Final = {
    "Accepted": _object(
        {
            "status": {"const": "success"},
            "message": _TEXT,
            "feedback_ids": {"type": "array", "items": _TEXT | {"format": "uuid"}, "minItems": 1},
        }
    ),
    "Error": _object({"error": _object(_ERROR)}),
    "Health": _object({"status": {"const": "ok"}}),
    "Ready": _object(
        {
            "status": {"const": "ready"},
            "pending": {"type": "object", "additionalProperties": {"type": "integer"}},
        }
    ),
}
