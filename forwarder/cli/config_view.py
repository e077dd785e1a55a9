"""What `config` shows: every setting with its value, its default, what is allowed, and where the value comes from."""

import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from dotenv import dotenv_values
from pydantic import SecretStr
from pydantic.fields import FieldInfo

from forwarder.allowed import allowed
from forwarder.cli.context import destination_variables, settings_in_force
from forwarder.cli.output import is_terminal, json_out, table_out
from forwarder.ingest_settings import IngestKey
from forwarder.queue.address import masked
from forwarder.settings import PREFIX, Settings, Upstream

MASK = "********"
NAMED = ("destinations", "ingest_keys")
"""Settings with names of the user's own, which are listed one by one."""


@dataclass(frozen=True, slots=True)
class Setting:
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


def show(*, as_json: bool) -> None:
    """Print all settings, then what single destinations have of their own."""
    shown = list(listed(settings_in_force(), _origins()))
    if as_json:
        json_out([asdict(setting) for setting in shown])
        return
    if is_terminal():
        table_out(["variable", "value", "origin", "what it is"], (_narrow_row(setting) for setting in shown))
    else:
        table_out(["variable", "value", "default", "allowed", "origin", "description"], (_row(one) for one in shown))


def listed(settings: Settings, origins: dict[str, str]) -> Iterator[Setting]:
    """Every setting.

    Args:
        settings: in force.
        origins: where each variable that is set comes from.
    """
    for field, info in Settings.model_fields.items():
        if field not in NAMED:
            yield _setting(PREFIX + field.upper(), info, getattr(settings, field), origins)
    for destination, own in sorted(settings.destinations.items()):
        upstream = settings.upstream(destination)
        for field, variable in destination_variables(destination).items():
            if field in own:
                yield _setting(variable, Upstream.model_fields[field], getattr(upstream, field), origins)
    for name, key in sorted(settings.ingest_keys.items()):
        for field in sorted(key.model_fields_set):
            variable = f"{PREFIX}INGEST_KEYS__{name.upper()}__{field.upper()}"
            yield _setting(variable, IngestKey.model_fields[field], getattr(key, field), origins)


def _origins() -> dict[str, str]:
    """The variables that are set; the environment wins over .env."""
    return {name.upper(): ".env" for name in dotenv_values(".env")} | {
        name.upper(): "environment" for name in os.environ
    }


def _setting(name: str, info: FieldInfo, value: object, origins: dict[str, str]) -> Setting:
    wholes = (name.rpartition("__")[0], *(PREFIX + field.upper() for field in NAMED))  # all at once, or as JSON
    origin = next((origins[one] for one in (name, *wholes) if one in origins and name.startswith(one)), "default")
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


def _row(setting: Setting) -> list[object]:
    values = (setting.name, setting.value, setting.default, setting.allowed, setting.origin, setting.description)
    return [None if value is None else str(value) for value in values]


def _narrow_row(setting: Setting) -> list[object]:
    """For a terminal: what is allowed, and a default that is not in force, stand behind the description."""
    notes = [setting.allowed] if setting.allowed else []
    notes += [f"default {setting.default}"] if setting.origin != "default" else []
    about = setting.description + (f" ({'; '.join(notes)})" if notes else "")
    return [setting.name, None if setting.value is None else str(setting.value), setting.origin, about]
