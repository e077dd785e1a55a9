"""The variables that say where Redis is, how to reach it, and what an accepted event has reached there."""

from pathlib import Path
from typing import Literal, Self

from pydantic import BaseModel, Field, FilePath, field_validator, model_validator

from forwarder.queue.address import CLUSTER, check, is_tls, scheme

Durability = Literal["memory", "aof", "replica"]

_TLS = ("redis_tls_ca_file", "redis_tls_cert_file", "redis_tls_key_file")


class RedisSettings(BaseModel):
    """What every part reads."""

    redis_url: str = Field(
        "embedded",
        repr=False,
        description="the queue: embedded, redis://, rediss:// (TLS), unix://, redis+sentinel://hosts/service or "
        "redis+cluster://hosts",
    )
    control_url: str | None = Field(None, repr=False, description="where RQ lives, when not on the queue's server")
    redis_timeout_s: float = Field(5, gt=0, le=60, description="for an answer of Redis")
    redis_tls_ca_file: FilePath | None = Field(None, description="who may sign its certificate; else the system's")
    redis_tls_cert_file: FilePath | None = Field(None, description="our certificate, for a Redis that asks for one")
    redis_tls_key_file: FilePath | None = Field(None, description="its key, when it is not in the same file")

    durability: Durability = Field(
        "memory", description="what has an accepted event: Redis's memory, its append-only file too, or a replica too"
    )

    @field_validator("redis_url", "control_url")
    @classmethod
    def _can_be_reached(cls, url: str | None) -> str | None:
        return url if url is None else check(url)

    @model_validator(mode="after")
    def _tls_is_used(self) -> Self:
        given = next((name for name in _TLS if getattr(self, name) is not None), None)
        if given and not any(is_tls(url) for url in (self.redis_url, self.control_url) if url):
            raise ValueError(f"FORWARDER_{given.upper()} is set, but FORWARDER_REDIS_URL does not begin with rediss")
        if self.redis_tls_key_file and not self.redis_tls_cert_file:
            raise ValueError("FORWARDER_REDIS_TLS_KEY_FILE needs FORWARDER_REDIS_TLS_CERT_FILE, whose key it is")
        return self

    @model_validator(mode="after")
    def _rq_has_a_server(self) -> Self:
        if scheme(self.control_url or self.redis_url) in CLUSTER:
            raise ValueError("FORWARDER_CONTROL_URL must lead to a server that is no cluster: RQ does not run on one")
        return self

    @property
    def redis_tls(self) -> dict[str, Path]:
        """What a TLS connection is made with, by the names that redis-py gives it."""
        files = zip(("ssl_ca_certs", "ssl_certfile", "ssl_keyfile"), _TLS, strict=True)
        return {theirs: path for theirs, ours in files if (path := getattr(self, ours)) is not None}
