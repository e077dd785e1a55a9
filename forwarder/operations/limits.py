"""Every setting with its value, its default, what is allowed, and where the value comes from."""

import os
from collections.abc import Iterator
from typing import Any

from msgspec import Struct
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from forwarder.allowed import allowed
from forwarder.dotenv_file import DOTENV, dotenv_variables
from forwarder.queue.address import masked
from forwarder.settings import NAMED, PREFIX, Settings
from forwarder.upstream_settings import Upstream
from forwarder.wrong_settings import NAMED_MODELS

MASK = "********"


class Setting(Struct, frozen=True):
    """One setting as it is shown.

    Attributes:
        name: of the variable.
        value: in force, secrets masked.
        default: when nothing is set.
        allowed: the range or the choices.
        origin: environment, .env or default.
        description: what it is.
    """

    name: str
    value: Any
    default: Any
    allowed: str
    origin: str
    description: str


def listed(settings: Settings, set_by: dict[str, str]) -> Iterator[Setting]:
    """Every setting.

    Args:
        settings: in force.
        set_by: where each variable that is set comes from.
    """
    for field, info in Settings.model_fields.items():
        if field not in NAMED:
            yield _setting(PREFIX + field.upper(), info, getattr(settings, field), set_by)
    for destination, own in sorted(settings.destinations.items()):
        upstream = settings.upstream(destination)
        for field, variable in destination_variables(destination).items():
            if field in own:
                yield _setting(variable, Upstream.model_fields[field], getattr(upstream, field), set_by)
    for group in NAMED_MODELS:
        for name, one in sorted(getattr(settings, group).items()):
            for field in sorted(one.model_fields_set):
                variable = f"{PREFIX}{group.upper()}__{name.upper()}__{field.upper()}"
                yield _setting(variable, type(one).model_fields[field], getattr(one, field), set_by)


def origins() -> dict[str, str]:
    """The variables that are set; the environment wins over .env."""
    in_file = {name.upper(): DOTENV for name in dotenv_variables()}
    return in_file | {name.upper(): "environment" for name in os.environ}


def _setting(name: str, info: FieldInfo, value: object, set_by: dict[str, str]) -> Setting:
    wholes = (name.rpartition("__")[0], *(PREFIX + field.upper() for field in NAMED))  # all at once, or as JSON
    origin = next((set_by[one] for one in (name, *wholes) if one in set_by and name.startswith(one)), "default")
    default = None if info.is_required() else info.get_default(call_default_factory=True, validated_data={})
    return Setting(name, _shown(value), _shown(default), allowed(info), origin, info.description or "")


def _shown(value: object) -> Any:  # noqa: ANN401 - JSON
    if isinstance(value, SecretStr):
        return MASK
    if isinstance(value, str) and "://" in value:
        return masked(value).replace("***", MASK)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)


def in_force(settings: Settings, destination: str, set_by: dict[str, str]) -> Iterator[Setting]:
    """The settings of one destination: its own, or the common ones that it inherits.

    Args:
        settings: all of them.
        destination: which.
        set_by: where each variable that is set comes from.
    """
    upstream, own = settings.upstream(destination), settings.destinations.get(destination, {})
    for field, variable in destination_variables(destination).items():
        name = variable if field in own else PREFIX + field.upper()
        yield _setting(name, Upstream.model_fields[field], getattr(upstream, field), set_by)


def destination_variables(destination: str) -> dict[str, str]:
    """The variables of a destination's own settings, by field."""
    scope = f"{PREFIX}DESTINATIONS__{destination.upper()}__"
    return {field: scope + field.upper() for field in Upstream.model_fields}
