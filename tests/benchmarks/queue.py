"""A queue for a measurement: a Valkey of its own, with nothing on it."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from forwarder.embedded import EmbeddedServer
from forwarder.paths import DataDir
from forwarder.queue.connection import Client
from forwarder.settings import Settings, load_settings


@contextmanager
def queue(**options: Any) -> Iterator[Settings]:  # noqa: ANN401 - any field of Settings
    """The settings that lead to it, whatever else is configured here; the server is gone afterwards, and its files."""
    for name in [name for name in os.environ if name.startswith("FORWARDER_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder:
        settings = load_settings(redis_url="embedded", data_dir=Path(folder), api_key="bench", **options)
        server = EmbeddedServer(DataDir(settings.data_dir))
        server.start()
        try:
            yield settings
        finally:
            server.stop()


def variables(settings: Settings) -> dict[str, str]:
    """What leads another process to it."""
    return {"FORWARDER_REDIS_URL": "embedded", "FORWARDER_DATA_DIR": str(settings.data_dir)}


def server_cpu(client: Client) -> float:
    """CPU seconds of the server since its start."""
    told = client.info("cpu")
    return float(told["used_cpu_user"]) + float(told["used_cpu_sys"])
