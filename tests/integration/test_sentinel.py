"""A queue that Sentinels watch over: the primary is killed, and everything goes on with the new one."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from forwarder.errors import QueueUnavailable
from forwarder.feedback import Members
from forwarder.queue import stream
from forwarder.queue.caps import Caps
from forwarder.queue.connection import AWAY, connect
from forwarder.queue.durable import run_durably
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.scripts import run
from forwarder.queue.unavailable import queue_errors
from forwarder.settings import load_settings
from tests.integration.conftest import StartRig
from tests.support.ingest import Ingest
from tests.support.sentinels import Watched
from tests.support.servers import Server, free_port, oldest_binary, valkey_binary
from tests.support.waiting import eventually


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    with Watched(valkey_binary(), tmp_path) as servers:
        yield servers


def test_nothing_acknowledged_is_lost_when_the_primary_is_killed(start_rig: StartRig, watched: Watched) -> None:
    rig = start_rig(FORWARDER_REDIS_URL=watched.url, FORWARDER_DURABILITY="replica", FORWARDER_REDIS_TIMEOUT_S="1")
    rig.start_worker()
    acknowledged: set[str] = set()
    with Ingest(rig) as ingest, rig.client() as direct, rig.client(mode="buffered") as buffered:

        def produce(round_: int, requests: int) -> None:
            for number in range(requests):
                event = {"trace_id": f"ingested-{round_}-{number}", "value": 1}
                if ingest.post(event).status_code == 202:
                    acknowledged.add(str(event["trace_id"]))
            for number in range(50):
                buffered.send(trace_id=f"buffered-{round_}-{number}", value=1)
            try:
                direct.send_many({"trace_id": f"direct-{round_}-{number}", "value": 1} for number in range(50))
            except QueueUnavailable:
                return
            acknowledged.update(f"direct-{round_}-{number}" for number in range(50))

        produce(1, 50)
        watched.primary.kill()
        produce(2, 2)  # which are answered 503 when their second is over
        assert eventually(watched.failed_over, 30), watched.sentinels[0].log[-2000:]
        watched.primary.start()
        watched.primary.client.replicaof("127.0.0.1", watched.replica.port)  # Sentinels do it too, but after 10 s
        assert eventually(lambda: rig.redis.wait(1, 100) == 1, 30)
        produce(3, 50)
        assert buffered.flush(30).pending == 0
    acknowledged.update(f"buffered-{round_}-{number}" for round_ in (1, 2, 3) for number in range(50))
    assert len(acknowledged) >= 250
    assert eventually(lambda: acknowledged <= set(rig.sandbox.times_arrived()), 60), rig.log.read_text()[-4000:]
    rig.settled()
    rig.assert_books_close()


def test_sentinels_that_do_not_know_the_service_are_told_of(tmp_path: Path) -> None:
    port, config = free_port(), tmp_path / "sentinel.conf"
    config.write_text(f"port {port}\n")
    with Server(valkey_binary(), tmp_path, port, {}, arguments=(str(config), "--sentinel")):
        settings = load_settings(redis_url=f"redis+sentinel://127.0.0.1:{port}/other")
        with pytest.raises(QueueUnavailable, match="is the service in FORWARDER_REDIS_URL"), queue_errors(settings):
            connect(settings, retries=0).ping()


def test_what_a_demoted_primary_says_is_an_outage(tmp_path: Path) -> None:
    port = free_port()
    with Server(valkey_binary(), tmp_path, port, {"port": str(port), "save": ""}) as server:
        client = connect(load_settings(redis_url=f"redis://127.0.0.1:{port}"), retries=0)
        server.client.config_set("min-replicas-to-write", 1)
        with pytest.raises(AWAY, match="NOREPLICAS"):
            run(client, stream.ensure_group(Keys()))
        server.client.config_set("min-replicas-to-write", 0)
        run(client, stream.ensure_group(Keys()))
        with ThreadPoolExecutor() as threads:
            reading = threads.submit(client.xreadgroup, GROUP, "a", {Keys().events: ">"}, None, 4_000)
            assert eventually(lambda: server.client.info("clients")["blocked_clients"] == 1)
            server.client.replicaof("127.0.0.1", str(free_port()))
            with pytest.raises(AWAY, match="UNBLOCKED"):
                reading.result()


def test_what_a_primary_had_not_given_to_its_replica_when_it_was_demoted_is_not_acknowledged(tmp_path: Path) -> None:
    port = free_port()
    settings = load_settings(redis_url=f"redis://127.0.0.1:{port}", redis_timeout_s=20)
    with Server(oldest_binary(), tmp_path, port, {"port": str(port), "save": ""}) as server:
        step = stream.append(
            Keys(),
            Members(b'{"trace_id":"t","value":1}', 1),
            chunk_id=stream.new_chunk_id(),
            source="test",
            caps=Caps(),
        )
        client = connect(settings, retries=0)
        run(client, step)  # loads the script; the step is repeated below
        with ThreadPoolExecutor() as threads:
            waiting = threads.submit(run_durably, client, step, "replica", 20)
            assert eventually(lambda: server.client.info("clients")["blocked_clients"] == 1)
            server.client.replicaof("127.0.0.1", str(free_port()))
            with pytest.raises(AWAY, match="UNBLOCKED"):
                waiting.result()
