"""What `config` shows: every setting with its value, its default, what is allowed, and where the value comes from."""

import msgspec

from forwarder.cli.context import settings_in_force
from forwarder.cli.output import is_terminal, json_out, table_out
from forwarder.operations.limits import Setting, listed, origins


def show(*, as_json: bool) -> None:
    """Print all settings, then what single destinations have of their own."""
    shown = list(listed(settings_in_force(), origins()))
    if as_json:
        json_out([msgspec.to_builtins(setting) for setting in shown])
        return
    if is_terminal():
        table_out(["variable", "value", "origin", "what it is"], (_narrow_row(setting) for setting in shown))
    else:
        table_out(["variable", "value", "default", "allowed", "origin", "description"], (_row(one) for one in shown))


def _row(setting: Setting) -> list[object]:
    values = (setting.name, setting.value, setting.default, setting.allowed, setting.origin, setting.description)
    return [None if value is None else str(value) for value in values]


def _narrow_row(setting: Setting) -> list[object]:
    """For a terminal: what is allowed, and a default that is not in force, stand behind the description."""
    notes = [setting.allowed] if setting.allowed else []
    notes += [f"default {setting.default}"] if setting.origin != "default" else []
    about = setting.description + (f" ({'; '.join(notes)})" if notes else "")
    return [setting.name, None if setting.value is None else str(setting.value), setting.origin, about]
