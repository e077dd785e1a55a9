"""The event streams on a Redis Cluster of six nodes, RQ beside it: a primary is killed, and slots move, under load."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from forwarder.doctor.checks import judge
from forwarder.doctor.facts import gather
from forwarder.doctor.finding import Level
from forwarder.errors import InvalidSettings
from forwarder.queue.connection import connect
from forwarder.settings import load_settings
from tests.integration.conftest import StartRig
from tests.support.cluster import PRIMARIES, Cluster
from tests.support.load import Load
from tests.support.rig import Rig
from tests.support.servers import oldest_binary
from tests.support.users import login, users_file
from tests.support.waiting import eventually

PARTITIONS = 3


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """With the users that are shipped."""
    with Cluster(oldest_binary(), tmp_path, {"aclfile": str(users_file(tmp_path))}) as nodes:
        yield nodes


AsUser = Callable[[str], None]


@pytest.fixture
def rig(start_rig: StartRig, cluster: Cluster) -> Rig:
    rig = start_rig(
        FORWARDER_REDIS_URL="embedded",
        FORWARDER_PARTITIONS=str(PARTITIONS),
        FORWARDER_DURABILITY="replica",
        FORWARDER_REDIS_TIMEOUT_S="1",
        FORWARDER_DRAIN_IDLE_S="0.3",
    )
    rig.variables |= {"FORWARDER_REDIS_URL": cluster.url, "FORWARDER_CONTROL_URL": rig.url}
    rig.connect()
    return rig


@pytest.fixture
def be(rig: Rig, cluster: Cluster, tmp_path: Path) -> AsUser:
    """Whatever starts from now on logs in to the cluster as this user."""

    def turn_into(user: str) -> None:
        rig.variables["FORWARDER_REDIS_URL"] = cluster.url.replace("://", f"://{login(tmp_path, user)}@")

    return turn_into


def assert_nothing_lost(rig: Rig, load: Load) -> None:
    assert eventually(lambda: load.acknowledged <= set(rig.sandbox.times_arrived()), 60), rig.log.read_text()[-6000:]
    assert eventually(lambda: rig.books().entries == 0, 60)
    rig.assert_books_close()


def test_nothing_acknowledged_is_lost_when_a_primary_is_killed_and_a_slot_moves(
    rig: Rig, cluster: Cluster, be: AsUser
) -> None:
    be("worker")
    rig.start_worker()
    rig.start_worker()
    be("ingest")
    load = Load(rig)
    with load.at_work():
        assert eventually(lambda: rig.sandbox.counts()["distinct_trace_ids"] > 100, 40)
        key = rig.partitions()[0].events
        killed = cluster.primary_of(key)
        killed.kill()
        assert eventually(lambda: cluster.primary_of(key) is not killed, 30)
        killed.start()
        assert eventually(lambda: killed.role() == "slave", 30)
        before = len(load.acknowledged)
        assert eventually(lambda: len(load.acknowledged) > before + 100, 40), load.refused
        cluster.move_slot(key, cluster.another_than(cluster.primary_of(key)))
        before = len(load.acknowledged)
        assert eventually(lambda: len(load.acknowledged) > before + 100, 40), load.refused
    be("producer")
    with rig.client() as client:
        client.send(trace_id="producer", value=1)
    be("xadd")
    connect(rig.settings).xadd(key, {"body": '{"trace_id":"xadd","value":1}'})
    load.acknowledged |= {"producer", "xadd"}
    be("operator")
    rig.connect()
    assert_nothing_lost(rig, load)


def test_the_doctor_looks_at_every_primary(rig: Rig, cluster: Cluster) -> None:
    sick = cluster.another_than(cluster.primary_of(rig.partitions()[0].events))
    sick.client.config_set("maxmemory-policy", "allkeys-lru")
    found = {one.check: one.level for one in judge(gather(rig.settings))}
    assert {check: level for check, level in found.items() if check.startswith("eviction") and level} == {
        f"eviction of 127.0.0.1:{sick.port}": Level.FAULT
    }
    assert sum(check.startswith("durability of ") for check in found) == PRIMARIES


def test_rq_is_not_put_on_a_cluster() -> None:
    with pytest.raises(InvalidSettings, match="FORWARDER_CONTROL_URL must lead to a server that is no cluster"):
        load_settings(redis_url="redis+cluster://a,b")
    with pytest.raises(InvalidSettings, match="must name no database"):
        load_settings(redis_url="redis+cluster://a,b/3", control_url="redis://c")
