"""A Redis that speaks TLS only and asks for certificates: Debian's Redis 7, the oldest that we support."""

import asyncio
import contextlib
from collections.abc import Iterator
from pathlib import Path

import pytest

from forwarder.errors import QueueUnavailable
from forwarder.queue.connection import connect, connect_async
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import Settings, load_settings
from tests.integration.conftest import StartRig
from tests.support.certificates import Certificates, certificates
from tests.support.ingest import Ingest
from tests.support.servers import Server, free_port, redis_binary


@pytest.fixture
def files(tmp_path: Path) -> Certificates:
    return certificates(tmp_path)


@pytest.fixture
def url(files: Certificates, tmp_path: Path) -> Iterator[str]:
    port = free_port()
    options = {
        "port": "0",
        "tls-port": str(port),
        "tls-cert-file": str(files.server),
        "tls-key-file": str(files.server),
        "tls-ca-cert-file": str(files.ca),
        "tls-auth-clients": "yes",
        "save": "",
    }
    ours = {"ssl_ca_certs": str(files.ca), "ssl_certfile": str(files.client)}
    with Server(redis_binary(), tmp_path / "redis", port, options, tls=ours):
        yield f"rediss://127.0.0.1:{port}/0"


def variables(url: str, files: Certificates) -> dict[str, str]:
    return {
        "FORWARDER_REDIS_URL": url,
        "FORWARDER_REDIS_TLS_CA_FILE": str(files.ca),
        "FORWARDER_REDIS_TLS_CERT_FILE": str(files.client),
    }


def test_every_part_goes_through_it(start_rig: StartRig, url: str, files: Certificates) -> None:
    rig = start_rig(**variables(url, files))
    rig.start_worker()
    with rig.client() as direct, rig.client(mode="buffered") as buffered:
        direct.send_many({"trace_id": f"direct-{number}", "value": 1} for number in range(1_000))
        for number in range(1_000):
            buffered.send(trace_id=f"buffered-{number}", value=1)
        assert buffered.flush(20).pending == 0
    with Ingest(rig) as ingest:
        assert ingest.post([{"trace_id": "ingested", "value": 1}]).status_code == 202
    rig.assert_everything_arrived(2_001)


def settings(url: str, **options: object) -> Settings:
    return load_settings(redis_url=url, redis_timeout_s=2, **options)


def message(settings: Settings) -> str:
    with pytest.raises(QueueUnavailable) as caught, queue_errors(settings), connect(settings, retries=0) as client:
        client.ping()
    return str(caught.value)


def message_async(settings: Settings) -> str:
    async def ping() -> None:
        with queue_errors(settings):
            async with contextlib.aclosing(connect_async(settings)) as client:
                await client.ping()

    with pytest.raises(QueueUnavailable) as caught:
        asyncio.run(ping())
    return str(caught.value)


def test_who_does_not_trust_its_certificate_is_told_which_variable_mends_that(url: str, files: Certificates) -> None:
    distrusting = settings(url, redis_tls_cert_file=files.client)
    assert "set FORWARDER_REDIS_TLS_CA_FILE" in message(distrusting)
    assert "set FORWARDER_REDIS_TLS_CA_FILE" in message_async(distrusting)


def test_who_has_no_certificate_is_told_which_variable_mends_that(url: str, files: Certificates) -> None:
    nameless = settings(url, redis_tls_ca_file=files.ca)
    assert "does it ask for a certificate (FORWARDER_REDIS_TLS_CERT_FILE)" in message(nameless)
    assert "does it ask for a certificate (FORWARDER_REDIS_TLS_CERT_FILE)" in message_async(nameless)
