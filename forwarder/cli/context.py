"""What every command needs first: settings, with a warning for misspelt variables."""

import difflib
import os
import warnings
from collections.abc import Iterable

from forwarder.cli.boundary import say
from forwarder.cli.where import TOKEN, URL
from forwarder.dotenv_file import dotenv_variables
from forwarder.renamed import RENAMED
from forwarder.settings import NAMED, PREFIX, Settings, load_settings

_OF_COMMANDS = {URL, TOKEN}
"""What `--url` reads; no settings, because who operates over HTTP need not have any."""
_NAMED = tuple(PREFIX + name.upper() for name in NAMED)


def settings_in_force() -> Settings:
    """The settings; says on standard error which variables mean nothing."""
    for name in unknown_variables([*os.environ, *dotenv_variables()]):
        close = difflib.get_close_matches(name.removeprefix(PREFIX), _own_names(), n=1)
        hint = f"; did you mean {PREFIX}{close[0]}?" if close else "; `forwarder config` lists those that are"
        say(f"warning: {name} is not a setting{hint}")
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        settings = load_settings()
    for warning in told:
        say(f"warning: {warning.message}")
    return settings


def known_variables() -> list[str]:
    """The names of all settings, as variables."""
    return [PREFIX + name for name in _own_names()]


def _own_names() -> list[str]:
    """The same without what all begin with, which makes none of them alike."""
    return [name.upper() for name in Settings.model_fields]


def unknown_variables(names: Iterable[str]) -> list[str]:
    """Those of our prefix that are no setting; each once, sorted."""
    known = {*known_variables(), *(PREFIX + former.upper() for former in RENAMED)}
    ours = {name.upper() for name in names if name.upper().startswith(PREFIX)}
    return sorted(name for name in ours - known - _OF_COMMANDS if not _is_of_a_name(name))


def _is_of_a_name(name: str) -> bool:
    """`FORWARDER_DESTINATIONS__NAME__FIELD`, or the same of a key, user or token; settings check the field."""
    scope, _, rest = name.partition("__")
    return scope in _NAMED and bool(rest)
