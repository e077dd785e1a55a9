"""The keys of the HTTP ingest: nothing is taken without one, and each leads to its destination and source."""

import hashlib
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.conftest import StartRig
from tests.support.ingest import Ingest
from tests.support.ingest_answers import assert_refused, entries
from tests.support.rig import Rig

EVENT = {"trace_id": "t1", "value": 1}
HASHED = "sha256:" + hashlib.sha256(b"shop-key-1").hexdigest()
KEYS = {
    "FORWARDER_INGEST_KEYS__WEB": "web-key-1",
    "FORWARDER_INGEST_KEYS__SHOP__KEY": HASHED,
    "FORWARDER_INGEST_KEYS__SHOP__DESTINATION": "eu",
    "FORWARDER_INGEST_KEYS__SHOP__SOURCE": "checkout",
    "FORWARDER_DESTINATIONS__EU__API_KEY": "sandbox",
}


@pytest.fixture(scope="module")
def guarded_rig() -> Iterator[Rig]:
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder, Rig(Path(folder), **KEYS) as rig:
        yield rig


@pytest.fixture(scope="module")
def guarded(guarded_rig: Rig) -> Iterator[Ingest]:
    with Ingest(guarded_rig) as ingest:
        yield ingest


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"x-portkey-api-key": "web-key-2"},
        {"x-portkey-api-key": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Basic web-key-1"},
        {"x-portkey-api-key": HASHED},
    ],
    ids=["none", "wrong", "empty", "bearer of nothing", "another scheme", "the hash itself"],
)
def test_without_a_right_key_nothing_is_taken(guarded_rig: Rig, guarded: Ingest, headers: dict[str, str]) -> None:
    before = guarded_rig.books()["accepted"]
    assert_refused(guarded.post(EVENT, **headers), 401, "x-portkey-api-key", "Bearer")
    assert guarded_rig.books()["accepted"] == before


@pytest.mark.parametrize("name", ["x-portkey-api-key", "Authorization"])
def test_a_key_leads_to_its_destination_and_source(guarded_rig: Rig, guarded: Ingest, name: str) -> None:
    scheme = "Bearer " if name == "Authorization" else ""
    for key, destination, source in (("web-key-1", "default", b"web"), ("shop-key-1", "eu", b"checkout")):
        event = {"trace_id": f"{name}-{key[:4]}", "value": 1}
        assert guarded.post(event, **{name: scheme + key}).status_code == 202
        fields = entries(guarded_rig, destination)[-1]
        assert (json.loads(fields[b"body"]), fields[b"source"]) == (event, source)


def test_no_key_is_in_redis_the_log_or_the_answer(guarded_rig: Rig, guarded: Ingest) -> None:
    keys = ("web-key-1", "shop-key-1", "leaked-key-3")
    answers = [guarded.post(body, x_portkey_api_key=key) for key in keys for body in (EVENT, {"value": "x"})]
    log = guarded_rig.log.read_text() + "".join(answer.text + str(answer.headers) for answer in answers)
    stored = [entries(guarded_rig, name) for name in ("default", "eu")]
    assert not [key for key in keys if key in log or key in str(stored)]


def test_without_keys_it_listens_on_loopback_only_and_says_so(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_INGEST_HOST="0.0.0.0")  # noqa: S104 - it must not come to that
    refused = subprocess.run(
        [sys.executable, "-m", "forwarder.cli", "serve"],
        env=rig.environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert refused.returncode == 1
    assert "FORWARDER_INGEST_KEYS__NAME" in refused.stderr
    rig.variables["FORWARDER_INGEST_HOST"] = "127.0.0.1"
    with Ingest(rig):
        assert "warning: no FORWARDER_INGEST_KEYS__NAME is set" in rig.log.read_text()
