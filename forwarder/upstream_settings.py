"""The variables of one destination: where it is, the key, and how it wants to be treated."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from forwarder.extras import zstd_is_there
from forwarder.key_settings import SCOPE, KeySettings
from forwarder.queue.keys import PARTITIONS

ContentEncoding = Literal["none", "gzip", "zstd"]


class Upstream(KeySettings):
    """One destination: where it is, the key, and how it wants to be treated."""

    batch_max_events: int = Field(500, ge=1, le=10_000, description="most events in one request")
    batch_max_bytes: int = Field(1_048_576, ge=1_024, le=104_857_600, description="most bytes in one request body")
    batch_linger_ms: int = Field(50, ge=0, le=60_000, description="longest wait for a batch to fill")
    content_encoding: Annotated[ContentEncoding, AfterValidator(zstd_is_there)] = Field(
        "none", description="of request bodies, for an upstream known to take it; zstd needs the extra zstd"
    )
    concurrency_max: int = Field(128, ge=1, le=1_000, description="most requests at once, over the whole fleet")
    concurrency: int | None = Field(None, ge=1, le=1_000, description="requests at once, fixed; adaptive when not set")
    rate_requests_per_s: float | None = Field(None, gt=0, le=1e6, description="most requests, over the whole fleet")
    rate_events_per_s: float | None = Field(None, gt=0, le=1e9, description="most events, over the whole fleet")
    connect_timeout_s: float = Field(5, gt=0, le=120, description="for a connection to be made")
    request_timeout_s: float = Field(30, gt=0, le=600, description="for an answer to a request")
    retry_max_attempts: int = Field(20, ge=1, le=1_000, description="tries before a batch is dead-lettered")
    retry_max_age_s: float = Field(604_800, gt=0, description="time on the queue after which a failure is the last")
    retry_base_ms: int = Field(500, ge=1, le=600_000, description="backoff before the second try; doubles each time")
    retry_max_ms: int = Field(60_000, ge=1, le=3_600_000, description="longest backoff")
    retry_after_max_s: float = Field(300, ge=0, le=86_400, description="longest Retry-After that is honoured")
    partitions: int = Field(1, ge=1, le=PARTITIONS, description="streams over which events are spread")
    pause_min_s: float = Field(1, gt=0, le=86_400, description="first pause of a destination that fails; doubles")
    pause_max_s: float = Field(60, gt=0, le=86_400, description="longest pause before the next probe")

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for most, least in (("retry_max_ms", "retry_base_ms"), ("pause_max_s", "pause_min_s")):
            if getattr(self, most) < getattr(self, least):
                raise ValueError(f"{SCOPE}{most.upper()} must not be below {SCOPE}{least.upper()}")
        if self.concurrency is not None and self.concurrency > self.concurrency_max:
            raise ValueError(f"{SCOPE}CONCURRENCY must not be above {SCOPE}CONCURRENCY_MAX ({self.concurrency_max})")
        return self

    @property
    def url(self) -> str:
        """Where batches are posted."""
        return self.base_url + self.feedback_path
