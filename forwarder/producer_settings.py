"""The variables of whoever hands events over: what a client buffers, and where it spills."""

from pathlib import Path

from pydantic import BaseModel, Field


class ProducerSettings(BaseModel):
    """What FeedbackClient reads besides the common settings, and the HTTP ingest where it spills."""

    client_linger_ms: int = Field(50, ge=1, le=60_000, description="longest stay of an event in a client's buffer")
    client_buffer_max_events: int = Field(1_000_000, ge=1, le=100_000_000, description="most events in it")
    client_buffer_max_bytes: int = Field(67_108_864, ge=1_024, le=17_179_869_184, description="their most bytes")
    client_exit_s: float = Field(2, ge=0, le=60, description="for what is in it when its process ends")
    spill_path: Path | None = Field(None, description="what Redis does not take; spill.sqlite3 in the data folder")
    spill_max_bytes: int = Field(268_435_456, ge=0, le=1_099_511_627_776, description="of that file; 0: there is none")
