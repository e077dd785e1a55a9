"""What settings say of values that they refuse."""

from typing import Any

import pytest

from forwarder.errors import InvalidSettings
from forwarder.settings import load_settings

SECRET = "pk-hunter2"


def refusal(**overrides: Any) -> str:  # noqa: ANN401 - any field of Settings
    """The message for settings that are refused."""
    with pytest.raises(InvalidSettings) as caught:
        load_settings(**overrides)
    return str(caught.value)
