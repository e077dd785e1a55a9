"""How to reach the sandbox: the settings with which events go there."""

from typing import Final

DEFAULT_KEY: Final = "sandbox"
"""The API key that it accepts unless it is given others."""


def leading_to_sandbox(url: str) -> dict[str, str]:
    """The values of an `Upstream` by name, for the sandbox at this base URL."""
    return {
        "base_url": url,
        "api_key": DEFAULT_KEY,
        "feedback_path": "/feedback/",
        "auth_scheme": "portkey",
        "allow_plaintext": "true",  # it is ours, wherever it listens
    }
