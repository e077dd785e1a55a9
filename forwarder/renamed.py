"""Variables that have another name by now: the former one goes on working, and says so."""

import os
import warnings
from collections.abc import Mapping
from typing import Any, Final

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource

from forwarder.dotenv_file import dotenv_variables

RENAMED: Final[dict[str, str]] = {"pause_s": "pause_min_s"}
"""Former field to present one; kept for at least two releases after the change, which CHANGELOG.md names."""


class RenamedVariables(PydanticBaseSettingsSource):
    """A source of settings that counts less than every other: who sets both names means the present one."""

    def __init__(self, settings: type[BaseSettings], prefix: str) -> None:
        super().__init__(settings)
        self._prefix = prefix

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """As the base class wants it."""
        raise NotImplementedError  # all are answered at once

    def __call__(self) -> dict[str, Any]:
        """By field, what was set under a former name."""
        return former_values({**dotenv_variables(), **os.environ}, self._prefix)


def former_values(variables: Mapping[str, str | None], prefix: str) -> dict[str, str]:
    """What is set under a former name, by the present one; warns of each.

    Args:
        variables: the environment and what `.env` holds.
        prefix: of all our variables.
    """
    given = {name.upper(): value for name, value in variables.items() if value is not None}
    found = {}
    for former, present in RENAMED.items():
        old, new = f"{prefix}{former}".upper(), f"{prefix}{present}".upper()
        if old in given:
            warnings.warn(f"{old} is now called {new}: rename it, it will not be known for ever", FutureWarning, 2)
            found[present] = given[old]
    return found
