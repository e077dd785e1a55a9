"""What is wrong with FORWARDER_* variables, in words that name the variable and say what it may be (pure)."""

import re
from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails
from pydantic_settings import SettingsError

from forwarder.allowed import allowed
from forwarder.console_settings import ConsoleToken, ConsoleUser
from forwarder.ingest_settings import IngestKey
from forwarder.key_settings import SCOPE
from forwarder.upstream_settings import Upstream

Fields = Mapping[str, FieldInfo]
"""Settings by their names."""

NAMED_MODELS: Final[dict[str, tuple[str, type[BaseModel]]]] = {
    "ingest_keys": ("an ingest key", IngestKey),
    "console_users": ("a user of the console", ConsoleUser),
    "console_tokens": ("a token of the console", ConsoleToken),
}
"""Settings of parts that have names of the user's own: what one is, and its fields. All of it may be secret."""
_NAME_AND_PART: Final = 3
"""Steps to a part of a named one: which kind, the name, the part."""
_WORDS: Final = {
    "missing": "must be set",
    "path_not_file": "must be the path of a file that is there",
    "dict_type": "must be set part by part",
    "model_type": "must be set part by part",
}
"""By the type of pydantic's error, whose own words say what Python wants."""


def in_words(error: ValidationError, scope: str, fields: Fields) -> str:
    """One line per wrong value: its variable, what is allowed, and what it is unless that may be a secret.

    Args:
        error: what pydantic found.
        scope: what the variables begin with.
        fields: that there are.
    """
    return "\n".join(_line(flaw, scope, fields) for flaw in error.errors(include_url=False))


def unreadable(error: SettingsError, scope: str, fields: Fields) -> str:
    """A variable that was to be JSON and is none: what it holds, and how it is set without; never the value."""
    named = re.search(r'field "(\w+)"', str(error))
    if not named or named[1] not in fields:
        return f"the environment or .env cannot be read: {error}"
    return f"{scope}{named[1].upper()}: must be set part by part: {fields[named[1]].description}"


def _line(flaw: ErrorDetails, scope: str, fields: Fields) -> str:
    if not flaw["loc"]:
        return _problem(flaw, scope, None)
    path = [str(part) for part in flaw["loc"]]
    problem = _problem(flaw, scope, _info(path, fields))
    return f"{scope}{'__'.join(path).upper()}: {problem[0].lower()}{problem[1:]}{_given(flaw)}"


def _info(path: list[str], fields: Fields) -> FieldInfo | None:
    if path[0] in NAMED_MODELS and len(path) == _NAME_AND_PART:
        return NAMED_MODELS[path[0]][1].model_fields.get(path[2])
    return fields.get(path[0])


def _problem(flaw: ErrorDetails, scope: str, info: FieldInfo | None) -> str:
    if flaw["type"] == "extra_forbidden":
        of, model = NAMED_MODELS.get(str(flaw["loc"][0]), ("a destination", Upstream))
        return f"is not a setting of {of}; known are {', '.join(sorted(model.model_fields))}"
    if flaw["type"] in _WORDS:
        about = f": {info.description}" if info and flaw["type"] != "path_not_file" else ""
        return _WORDS[flaw["type"]] + about
    if flaw["type"] != "value_error" and info and allowed(info):
        return f"must be {allowed(info)}"
    return flaw["msg"].removeprefix("Value error, ").replace(SCOPE, scope)


def _given(flaw: ErrorDetails) -> str:
    """What it is, unless that may be a secret."""
    given = flaw["input"] if isinstance(flaw["input"], str | int | float) else ""
    secret = bool({*NAMED_MODELS, "api_key", "webhook_url"} & set(flaw["loc"]))
    secret = secret or "@" in str(given) or "password" in str(given)  # a URL may hold a password
    return "" if given == "" or secret else f" (it is {str(given)[:60]!r})"
