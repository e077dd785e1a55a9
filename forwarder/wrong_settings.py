"""What is wrong with FORWARDER_* variables, in words that name the variable and say what it may be (pure)."""

from collections.abc import Mapping
from typing import Final

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from forwarder.allowed import allowed
from forwarder.console_settings import ConsoleToken, ConsoleUser
from forwarder.ingest_settings import IngestKey
from forwarder.key_settings import SCOPE
from forwarder.upstream_settings import Upstream

_NAMED: Final[dict[str, tuple[str, type[BaseModel]]]] = {
    "INGEST_KEYS": ("an ingest key", IngestKey),
    "CONSOLE_USERS": ("a user of the console", ConsoleUser),
    "CONSOLE_TOKENS": ("a token of the console", ConsoleToken),
}
"""What has names of the user's own, by a part of the variable; all of it may be secret."""


def in_words(error: ValidationError, scope: str, fields: Mapping[str, FieldInfo]) -> str:
    """One line per wrong value: its variable, what is allowed, and what it is unless that may be a secret.

    Args:
        error: what pydantic found.
        scope: what the variables begin with.
        fields: that there are, by name.
    """
    return "\n".join(_line(flaw, scope, fields) for flaw in error.errors(include_url=False))


def _line(flaw: ErrorDetails, scope: str, fields: Mapping[str, FieldInfo]) -> str:
    problem = flaw["msg"].removeprefix("Value error, ").replace(SCOPE, scope)
    if not flaw["loc"]:
        return problem
    name = scope + "__".join(str(part) for part in flaw["loc"]).upper()
    info = fields.get(str(flaw["loc"][0]))
    if flaw["type"] == "extra_forbidden":
        of, model = next((kind for part, kind in _NAMED.items() if part in name), ("a destination", Upstream))
        problem = f"is not a setting of {of}; known are {', '.join(sorted(model.model_fields))}"
    elif flaw["type"] != "value_error" and info and allowed(info):
        problem = f"must be {allowed(info)}"
    given = flaw["input"] if isinstance(flaw["input"], str | int | float) else ""
    secret = "API_KEY" in name or any(part in name for part in _NAMED)
    secret = secret or "@" in str(given) or "password" in str(given)  # a URL may hold a password
    got = "" if given == "" or secret else f" (it is {str(given)[:60]!r})"
    return f"{name}: {problem[0].lower()}{problem[1:]}{got}"
