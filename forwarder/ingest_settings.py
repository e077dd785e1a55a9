"""The FORWARDER_INGEST_* variables: where the HTTP ingest listens, whom it lets in, what it takes."""

import re
from typing import Annotated, Literal, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, Field, SecretStr, field_validator, model_validator

from forwarder.named_settings import HASH_PREFIX, Named, is_digest

KeyName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]
SOURCE_PATTERN = r"^[\x20-\x7e]{0,200}$"


class IngestKey(Named):
    """One key that callers may use, and what it is tied to."""

    key: SecretStr = Field(description="the key, or sha256: and the hexadecimal digest of it")
    destination: str = Field("default", description="where the events of its callers go")
    source: str | None = Field(None, pattern=SOURCE_PATTERN, description="their source; the key's name when not set")

    @field_validator("key")
    @classmethod
    def _usable(cls, key: SecretStr) -> SecretStr:
        text = key.get_secret_value()
        if text.startswith(HASH_PREFIX) and not is_digest(text):
            raise ValueError("after sha256: 64 hexadecimal digits are wanted, as `printf %s KEY | sha256sum` prints")
        if not re.fullmatch(r"[\x21-\x7e]{8,256}", text):
            raise ValueError("must be one word of 8 to 256 printable ASCII characters")
        return key


class IngestSettings(BaseModel):
    """What `forwarder serve` reads besides the common settings."""

    ingest_host: str = Field("127.0.0.1", description="where the HTTP ingest listens")
    ingest_port: int = Field(8787, ge=0, le=65_535, description="its port; 0 takes a free one")
    ingest_workers: int = Field(1, ge=1, le=64, description="its processes")
    ingest_keys: dict[KeyName, IngestKey] = Field(
        default_factory=dict,
        repr=False,
        description="keys of its callers, as FORWARDER_INGEST_KEYS__NAME__KEY, …__DESTINATION, …__SOURCE",
    )
    ingest_status: Literal["202", "200"] = Field("202", description="its answer when the queue has the events")
    ingest_spill: bool = Field(
        default=False, description="take events to the local disk while Redis does not take them"
    )
    ingest_linger_ms: int = Field(2, ge=0, le=1_000, description="longest wait for requests that share one append")
    ingest_body_max_bytes: int = Field(4_194_304, ge=1_024, le=104_857_600, description="of a body, inflated")
    ingest_array_max_events: int = Field(10_000, ge=1, le=100_000, description="most events in one request")
    ingest_header_max_bytes: int = Field(65_536, ge=4_096, le=1_048_576, description="of a request's header")
    ingest_request_timeout_s: float = Field(30, gt=0, le=600, description="for a request to come in whole")
    ingest_keep_alive_s: int = Field(75, ge=1, le=3_600, description="how long an idle connection is kept")
    ingest_connections_max: int = Field(10_000, ge=1, le=1_000_000, description="connections of one process")
    ingest_cors_origins: str = Field(
        "", description="browser origins that may call, with commas between them, or *; empty: none"
    )

    @field_validator("ingest_cors_origins")
    @classmethod
    def _origins(cls, origins: str) -> str:
        for origin in _listed(origins):
            parts = urlsplit(origin)
            whole = parts.scheme in ("http", "https") and parts.netloc and origin == f"{parts.scheme}://{parts.netloc}"
            if origin != "*" and not whole:
                raise ValueError("must be origins as https://app.example.com, with commas between them, or *")
        return origins

    @model_validator(mode="after")
    def _distinct_keys(self) -> Self:
        keys = [key.key.get_secret_value() for key in self.ingest_keys.values()]
        if len(keys) != len(set(keys)):
            raise ValueError("FORWARDER_INGEST_KEYS: two names have the same key")
        return self

    @property
    def cors_origins(self) -> frozenset[str]:
        """The origins, apart."""
        return frozenset(_listed(self.ingest_cors_origins))


def _listed(origins: str) -> list[str]:
    return [origin.strip() for origin in origins.split(",") if origin.strip()]
