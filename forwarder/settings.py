"""Every FORWARDER_* variable: typed, bounded, with its unit in its name; `forwarder config` prints them.

Read once at start, never at import; the code below receives plain values. The API key is a SecretStr and is never
printed, logged or stored.
"""

from functools import cached_property
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError, field_validator, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from forwarder.console_settings import ConsoleSettings
from forwarder.dotenv_file import DOTENV, unreadable_dotenv
from forwarder.errors import InvalidSettings
from forwarder.extras import zstd_is_there
from forwarder.feedback import Limits
from forwarder.ingest_settings import IngestSettings
from forwarder.key_settings import KEY_SETTINGS
from forwarder.paths import DataDir, default_data_dir
from forwarder.producer_settings import ProducerSettings
from forwarder.queue.caps import Caps
from forwarder.queue.keys import SLOTS
from forwarder.queue.packing import Compression
from forwarder.redaction import known_secrets
from forwarder.redis_settings import RedisSettings
from forwarder.renamed import RenamedVariables
from forwarder.sealing_settings import SealingSettings
from forwarder.upstream_settings import Upstream
from forwarder.wrong_settings import NAMED_MODELS, in_words, unreadable

PREFIX = "FORWARDER_"
DEFAULT_DESTINATION = "default"
NAMED = ("destinations", *NAMED_MODELS)
"""Settings of parts that have names of the user's own, as FORWARDER_DESTINATIONS__NAME__BASE_URL."""

DestinationName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,62}$")]


class Settings(
    Upstream, RedisSettings, IngestSettings, ConsoleSettings, ProducerSettings, SealingSettings, BaseSettings
):
    """All settings; the upstream's own are those of the destination `default` and what others inherit."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX, env_file=DOTENV, env_nested_delimiter="__", extra="ignore", frozen=True
    )

    destinations: dict[DestinationName, dict[str, Any]] = Field(
        default_factory=dict,
        repr=False,
        description="further destinations, as FORWARDER_DESTINATIONS__NAME__BASE_URL and so on",
    )
    data_dir: Path = Field(default_factory=default_data_dir, description="files of the queue, the sandbox, the spill")
    key_prefix: str = Field("feedback:", pattern=r"^[A-Za-z0-9_.:-]*$", description="of every Redis key")
    backlog_max_events: int = Field(10_000_000, ge=1, description="waiting events at which appends are refused")
    memory_max_percent: int = Field(90, ge=1, le=100, description="of Redis's maxmemory at which appends are refused")
    queue_compression: Annotated[Compression, AfterValidator(zstd_is_there)] = Field(
        "none", description="of bodies on the queue; zstd needs the extra zstd"
    )
    dedupe_ttl_s: int = Field(3_600, ge=1, le=2_592_000, description="how long an append can be retried safely")
    trace_id_max_length: int = Field(512, ge=1, le=65_536, description="characters of a trace id")
    event_max_bytes: int = Field(262_144, ge=128, le=10_485_760, description="of one event's JSON")
    workers: int = Field(1, ge=1, le=64, description="worker processes of `forwarder up`")
    max_drains: int = Field(4, ge=1, le=SLOTS, description="drains at once per destination")
    drain_idle_s: float = Field(5, gt=0, le=3_600, description="quiet time after which a drain ends")
    drain_session_s: float = Field(300, gt=0, le=86_400, description="longest run of a drain")
    poison_after: int = Field(5, ge=4, le=10_000, description="drains that an entry may kill before it is dead")
    lease_ttl_s: float = Field(10, ge=1, le=600, description="silence after which a drain counts as dead")
    shutdown_grace_s: float = Field(10, gt=0, le=3_600, description="for what is in flight when asked to stop")
    dead_max_age_s: float | None = Field(None, gt=0, description="age at which dead letters are trimmed")
    dead_max_count: int | None = Field(None, ge=0, description="dead letters beyond which the oldest are trimmed")
    dead_trim: Literal["export", "purge"] = Field("export", description="write what is trimmed to a file first, or not")
    dead_export_dir: Path | None = Field(None, description="where to; dead-letters in the data folder when not set")
    webhook_url: str | None = Field(None, repr=False, description="is told of dead letters, pauses and old backlogs")
    webhook_secret: SecretStr | None = Field(None, description="signs what is posted there (whsec_… or any text)")
    notify_quiet_s: float = Field(300, ge=60, description="without dead letters, after which new ones are told")
    notify_backlog_age_s: float = Field(300, gt=0, description="of the oldest waiting entry, at which it is told")
    sandbox_host: str = Field("127.0.0.1", description="where the sandbox listens")
    sandbox_port: int = Field(8788, ge=0, le=65_535, description="its port; 0 takes a free one")
    tracing: bool = Field(default=False, description="OpenTelemetry spans, sent where the SDK's OTEL_* variables say")
    log_level: Literal["debug", "info", "warning", "error"] = Field("info", description="least level that is logged")
    log_format: Literal["auto", "json", "console"] = Field("auto", description="auto: console on a terminal")

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Former names of variables come after everything else."""
        usual = (init_settings, env_settings, dotenv_settings, file_secret_settings)
        return (*usual, RenamedVariables(settings_cls, PREFIX))

    @field_validator("webhook_url")
    @classmethod
    def _postable(cls, url: str | None) -> str | None:
        parts = urlsplit(url or "")
        if url is not None and (parts.scheme not in ("http", "https") or not parts.hostname or parts.fragment):
            raise ValueError("must be an http:// or https:// URL")
        return url

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.webhook_url and not self.webhook_secret:
            raise ValueError("FORWARDER_WEBHOOK_URL needs FORWARDER_WEBHOOK_SECRET, by which it knows that it is us")
        for name in self.destinations:
            self.upstream(name)
        if self.ingest_spill and not self.spill_max_bytes:
            raise ValueError(
                "FORWARDER_INGEST_SPILL needs a spill file, and FORWARDER_SPILL_MAX_BYTES is 0: there is none"
            )
        for name, key in self.ingest_keys.items():
            if key.destination not in self.destination_names:
                variable, known = f"{PREFIX}INGEST_KEYS__{name.upper()}__DESTINATION", ", ".join(self.destination_names)
                raise ValueError(f"{variable}: {key.destination!r} is not configured; known are: {known}")
        return self

    @property
    def limits(self) -> Limits:
        """The limits of one event."""
        return Limits(self.trace_id_max_length, self.event_max_bytes)

    @property
    def caps(self) -> Caps:
        """What appends are bound by."""
        return Caps(self.backlog_max_events, self.memory_max_percent, self.dedupe_ttl_s, self.partition_counts)

    @cached_property
    def partition_counts(self) -> dict[str, int]:
        """Partitions by destination."""
        return {name: self.upstream(name).partitions for name in self.destination_names}

    def partitions_of(self, destination: str) -> int:
        """Partitions of a destination; 1 for what is not configured any more."""
        return self.partition_counts.get(destination, 1)

    @property
    def spill_file(self) -> Path | None:
        """Where chunks wait that Redis does not take; None when there is to be no such file."""
        return (self.spill_path or DataDir(self.data_dir).spill) if self.spill_max_bytes else None

    @property
    def secrets(self) -> list[str]:
        """What must never leave: in no file, log or error."""
        return known_secrets(self)

    @property
    def destination_names(self) -> list[str]:
        """`default` and the configured others, in that order."""
        return [DEFAULT_DESTINATION, *sorted(set(self.destinations) - {DEFAULT_DESTINATION})]

    def upstream(self, destination: str) -> Upstream:
        """The settings of a destination: its own over the common ones.

        Raises:
            InvalidSettings: no such destination, or a value of its own is wrong.
        """
        if destination not in self.destination_names:
            known = ", ".join(self.destination_names)
            raise InvalidSettings(f"destination {destination!r} is not configured; known are: {known}")
        own = self.destinations.get(destination, {})
        common = {name: getattr(self, name) for name in Upstream.model_fields}
        if KEY_SETTINGS & own.keys():
            common |= dict.fromkeys(KEY_SETTINGS)
        try:
            return Upstream(**{**common, **own})
        except ValidationError as error:
            scope = f"{PREFIX}DESTINATIONS__{destination.upper()}__"
            raise InvalidSettings(in_words(error, scope, Settings.model_fields)) from None


def scope_of(destination: str) -> str:
    """What the variables of a destination begin with; those of `default` are the common ones."""
    return PREFIX if destination == DEFAULT_DESTINATION else f"{PREFIX}DESTINATIONS__{destination.upper()}__"


def load_settings(**overrides: Any) -> Settings:  # noqa: ANN401 - any field of Settings
    """Settings from the environment, `.env` and the arguments, which win.

    Raises:
        InvalidSettings: one line per wrong variable, with what is allowed; or `.env` cannot be read.
    """
    try:
        return Settings(**overrides)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable_dotenv(error) from None
    except ValidationError as error:
        raise InvalidSettings(in_words(error, PREFIX, Settings.model_fields)) from None
    except SettingsError as error:
        raise InvalidSettings(unreadable(error, PREFIX, Settings.model_fields)) from None
