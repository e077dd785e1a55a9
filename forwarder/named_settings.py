"""Settings that have names of the user's own, as FORWARDER_INGEST_KEYS__NAME: what they share."""

import re
from typing import Any, Final

from pydantic import BaseModel, ConfigDict, SecretStr, model_validator

HASH_PREFIX: Final = "sha256:"
"""What the SHA-256 digest of a secret begins with, which may or must stand in its place."""


class Named(BaseModel):
    """One of several; its first field is its secret, and may stand for all of it: `…__NAME=secret` for short."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _in_short(cls, given: Any) -> Any:  # noqa: ANN401 - whatever the variable holds
        secret = next(iter(cls.model_fields))
        if isinstance(given, int) and not isinstance(given, bool):  # digits alone are read as a number
            given = str(given)
        return {secret: given} if isinstance(given, str | SecretStr) else given


def is_digest(text: str) -> bool:
    """Whether a text is such a digest, in hexadecimal."""
    return bool(re.fullmatch(rf"{HASH_PREFIX}[0-9a-f]{{64}}", text))
