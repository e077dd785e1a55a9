"""The FORWARDER_CONSOLE_* variables: who may use the console and `/api`, as what, and for how long."""

import re
from typing import Annotated, Final, Literal

from pydantic import BaseModel, Field, SecretStr, field_validator

from forwarder.named_settings import Named, is_digest

NAME_PATTERN: Final = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
Name = Annotated[str, Field(pattern=NAME_PATTERN)]
Role = Literal["viewer", "operator"]

SCRYPT_PREFIX: Final = "scrypt:"
_SCRYPT: Final = re.compile(
    SCRYPT_PREFIX + r"(1[4-9]|2[01]):([1-9]|1\d|2\d|3[0-2]):([1-4]):[A-Za-z0-9_-]{16,88}:[A-Za-z0-9_-]{43}"
)
_ROLE_ABOUT: Final = "viewer: looks; operator: also changes"


class ConsoleUser(Named):
    """One person who may log in."""

    password: SecretStr = Field(description="the password's hash, as `forwarder console-password` makes it")
    role: Role = Field("viewer", description=_ROLE_ABOUT)

    @field_validator("password")
    @classmethod
    def _hashed(cls, password: SecretStr) -> SecretStr:
        if not _SCRYPT.fullmatch(password.get_secret_value()):
            raise ValueError("must be a hash, never the password itself: `forwarder console-password` makes one")
        return password


class ConsoleToken(Named):
    """One program, or person, that comes with a token."""

    token: SecretStr = Field(description="sha256: and the token's digest, as `forwarder console-token` makes it")
    role: Role = Field("viewer", description=_ROLE_ABOUT)

    @field_validator("token")
    @classmethod
    def _hashed(cls, token: SecretStr) -> SecretStr:
        if not is_digest(token.get_secret_value()):
            raise ValueError("must be a hash, never the token itself: `forwarder console-token` makes both")
        return token


class ConsoleSettings(BaseModel):
    """What the console and `/api` read besides the common settings."""

    console: bool = Field(default=True, description="serve the console and /api beside the HTTP ingest")
    console_users: dict[Name, ConsoleUser] = Field(
        default_factory=dict,
        repr=False,
        description="who may log in, as FORWARDER_CONSOLE_USERS__NAME__PASSWORD, …__ROLE",
    )
    console_tokens: dict[Name, ConsoleToken] = Field(
        default_factory=dict,
        repr=False,
        description="tokens for /api and the login, as FORWARDER_CONSOLE_TOKENS__NAME__TOKEN, …__ROLE",
    )
    console_session_s: int = Field(43_200, ge=1, le=2_592_000, description="how long a login lasts")
    console_secure: bool = Field(
        default=False, description="send the session cookie over TLS only, also when no proxy says that there is TLS"
    )

    @property
    def console_is_open(self) -> bool:
        """Whether nobody has to log in: there is nobody who could."""
        return not self.console_users and not self.console_tokens
