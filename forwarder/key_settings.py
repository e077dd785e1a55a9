"""The variables of an upstream that concern its key: where it is, how it is sent, and over what."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Final, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

from forwarder.errors import InvalidSettings
from forwarder.listening import is_loopback

SCOPE: Final = "{scope}"
"""Stands in a message for what the variables of a destination begin with."""
KEY_SETTINGS: Final = frozenset({"api_key", "api_key_file"})
"""A destination that has one of its own does not inherit the other."""
MASKED_FROM: Final = 8
"""A shorter key is not masked in texts: it may be a word that they hold anyway, as `sandbox` is."""
MASK: Final = "***"
_KEY: Final = re.compile(r"[\x21-\x7e]+")


class KeySettings(BaseModel):
    """The key of an upstream."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    api_key: SecretStr | None = Field(None, description="the key of the Feedback API")
    api_key_file: Path | None = Field(None, description="a file that holds it instead; read again when it changes")
    base_url: str = Field("https://api.portkey.ai/v1", description="the Feedback API, without the feedback path")
    allow_plaintext: bool = Field(default=False, description="send events and key to an http:// URL of another machine")
    feedback_path: str = Field("/feedback/", pattern=r"^/[^\s?#]*$", description="appended to the base URL")
    auth_scheme: Literal["portkey", "bearer"] = Field("portkey", description="how the key is sent")

    @field_validator("base_url")
    @classmethod
    def _http(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise ValueError("must be an http:// or https:// URL without query, e.g. https://api.portkey.ai/v1")
        if parts.username is not None:
            raise ValueError("must not hold a login: the key is FORWARDER_API_KEY")
        try:
            parts.hostname.encode("idna")
        except UnicodeError:
            raise ValueError("has a host name that cannot be") from None
        return url.rstrip("/")

    @field_validator("api_key")
    @classmethod
    def _header_safe(cls, key: SecretStr | None) -> SecretStr | None:
        if key is not None and not _KEY.fullmatch(key.get_secret_value()):
            raise ValueError("must be one word of printable ASCII characters, as the API issued it")
        return key

    @model_validator(mode="after")
    def _one_key_and_unread_by_others(self) -> Self:
        if self.api_key is not None and self.api_key_file is not None:
            raise ValueError(f"{SCOPE}API_KEY and {SCOPE}API_KEY_FILE are both set: keep one of them")
        parts = urlsplit(self.base_url)
        if parts.scheme == "http" and not self.allow_plaintext and not is_loopback(parts.hostname or ""):
            raise ValueError(
                f"{SCOPE}BASE_URL: {self.base_url} would carry events and key unencrypted: begin it with https://, or "
                f"set {SCOPE}ALLOW_PLAINTEXT=true when the way there is trusted"
            )
        return self

    @property
    def has_key(self) -> bool:
        """Whether one is configured."""
        return self.api_key is not None or self.api_key_file is not None

    @property
    def key(self) -> str:
        """The key as it is now; empty when none is configured.

        Raises:
            InvalidSettings: its file cannot be read, or holds none.
        """
        if self.api_key_file is not None:
            return read_key(self.api_key_file)
        return self.api_key.get_secret_value() if self.api_key is not None else ""

    def without_key(self, text: str) -> str:
        """A text in which the key is masked."""
        return masked(text, [self.key])


def read_key(path: Path) -> str:
    """The key that a file holds; white space around it does not count.

    Raises:
        InvalidSettings: it cannot be read, or holds none.
    """
    try:
        key = path.read_text("ascii").strip()
    except (OSError, UnicodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
        raise InvalidSettings(f"the key file {path} (FORWARDER_…API_KEY_FILE) cannot be read: {reason}") from None
    if not _KEY.fullmatch(key):
        raise InvalidSettings(
            f"the key file {path} (FORWARDER_…API_KEY_FILE) must hold one word of printable ASCII characters"
        )
    return key


def masked(text: str, secrets: Sequence[str]) -> str:
    """A text without these secrets, should it quote any."""
    for secret in secrets:
        if len(secret) >= MASKED_FROM:
            text = text.replace(secret, MASK)
    return text
