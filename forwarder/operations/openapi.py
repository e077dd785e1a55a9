"""The operations as OpenAPI tells them, from the types that they take and answer (pure)."""

from typing import Any, Final

import msgspec

from forwarder.answers import JSON_LINES
from forwarder.operations.table import EXPORT, OPERATIONS, Operation

JsonObject = dict[str, Any]

REFUSALS: Final = {
    "400": "The body is not JSON.",
    "401": "The token is missing or wrong.",
    "403": "A viewer may not do this, or only this machine is served.",
    "404": "There is no such destination, dead letter or replay.",
    "409": "It cannot be done now; the message says why.",
    "413": "The body is too large.",
    "415": "The content-type is not application/json.",
    "422": "A value cannot be; the message names it.",
    "503": "Redis does not answer.",
}
_TEMPLATE: Final = "#/components/schemas/{name}"


def described(*, secured: bool) -> tuple[JsonObject, JsonObject]:
    """The paths of the operations, and the schemas that they refer to.

    Args:
        secured: whether a token is wanted.
    """
    kinds = [kind for one in OPERATIONS for kind in (one.asked, one.answer) if kind is not bytes]
    _, schemas = msgspec.json.schema_components(kinds, ref_template=_TEMPLATE)
    asked = {one.asked.__name__ for one in OPERATIONS}
    paths: JsonObject = {}
    for one in OPERATIONS:
        form = schemas[one.asked.__name__]
        paths.setdefault(one.path, {})[one.method.lower()] = _operation(one, form, secured=secured)
    return paths, {name: schema for name, schema in schemas.items() if name not in asked}


def _operation(one: Operation[Any, Any], form: JsonObject, *, secured: bool) -> JsonObject:
    in_path = [name for name in form["properties"] if f"{{{name}}}" in one.path]
    others = {name: schema for name, schema in form["properties"].items() if name not in in_path}
    parameters = [_parameter(name, form["properties"][name], "path") for name in in_path]
    answer: JsonObject = {
        "operationId": f"operate_{one.name}",
        "summary": one.about + (" (operators only)" if one.changes else ""),
        "security": [{"bearer": []}] if secured else [{}],
        "responses": {"200": _answer(one), **{status: _error(about) for status, about in REFUSALS.items()}},
    }
    if one.method == "GET":
        parameters += [_parameter(name, schema, "query") for name, schema in others.items()]
    else:
        required = [name for name in form.get("required", []) if name in others]
        body = {"type": "object", "properties": others, "required": required, "additionalProperties": False}
        answer["requestBody"] = {"required": bool(required), "content": {"application/json": {"schema": body}}}
    return {**answer, "parameters": parameters} if parameters else answer


def _parameter(name: str, schema: JsonObject, place: str) -> JsonObject:
    return {"name": name, "in": place, "required": place == "path", "schema": schema}


def _answer(one: Operation[Any, Any]) -> JsonObject:
    if one is EXPORT:
        return {"description": "JSON lines.", "content": {JSON_LINES: {"schema": {"type": "string"}}}}
    (schema,), _ = msgspec.json.schema_components([one.answer], ref_template=_TEMPLATE)
    return {"description": "Done.", "content": {"application/json": {"schema": schema}}}


def _error(about: str) -> JsonObject:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": about, "content": {"application/json": {"schema": schema}}}
