"""Complaint: duplicates after retries. A chunk that is sent again under its id is stored once."""

from collections.abc import Iterator

import pytest

from forwarder import FeedbackClient
from forwarder.paths import DataDir
from tests.support.programs import queued, run_program, sent
from tests.support.relay import LosesReplies
from tests.support.rig import Rig
from tests.support.waiting import eventually

COUNT = 1_700


@pytest.fixture
def relay(rig: Rig) -> Iterator[LosesReplies]:
    with LosesReplies(rig.folder / "relay", DataDir(rig.settings.data_dir).socket) as relay:
        rig.variables["FORWARDER_REDIS_URL"] = relay.url
        yield relay


def send(client: FeedbackClient, count: int = COUNT) -> None:
    for number in range(count):
        client.send(trace_id=f"a-{number}", value=1)


@pytest.mark.parametrize("lost", [1, 2, 5])
def test_an_append_whose_answer_was_lost_is_repeated_and_stored_once(rig: Rig, relay: LosesReplies, lost: int) -> None:
    client = rig.client(mode="buffered")
    relay.losing = lost
    send(client)
    told = client.close()
    assert (told.dropped, told.appended + told.spilled) == (0, COUNT)
    next_client = rig.client(mode="buffered")  # for what the first has left, if it had to give up waiting
    assert eventually(lambda: len(queued(rig)) >= COUNT)
    next_client.close()
    assert sorted(queued(rig)) == sent("a", count=COUNT)
    assert relay.losing == 0
    assert rig.books()["ambiguous"] == 0


def test_a_direct_append_whose_answer_was_lost_likewise(rig: Rig, relay: LosesReplies) -> None:
    client = rig.client()
    relay.losing = 2
    send(client, 3)
    assert client.send_many({"trace_id": f"a-{number}", "value": 1} for number in range(3, COUNT)) == COUNT - 3
    assert sorted(queued(rig)) == sent("a", count=COUNT)
    assert relay.losing == 0


def test_also_when_another_process_repeats_it_from_the_spill_file(rig: Rig, relay: LosesReplies) -> None:
    relay.losing = 1_000_000
    done = run_program(rig, f"client = FeedbackClient()\nsend(client, 'a', {COUNT})\nprint(client.close(2))")
    assert done.returncode == 0, done.stderr
    assert "dropped=0" in done.stdout
    assert set(queued(rig)) <= set(sent("a", count=COUNT))
    relay.losing = 0
    client = rig.client(mode="buffered")
    assert eventually(lambda: len(queued(rig)) >= COUNT)
    client.close()
    assert sorted(queued(rig)) == sent("a", count=COUNT)


def test_parent_and_child_never_send_the_same_event(rig: Rig) -> None:
    """Ten times a fork while the parent's buffer is full of what it has not sent."""
    code = """
client = FeedbackClient()
for number in range(10):
    send(client, f"p{number}", 300)
    if os.fork() == 0:
        sys.exit(0)
    os.wait()
"""
    done = run_program(rig, code)
    assert done.returncode == 0, done.stderr
    assert sorted(queued(rig)) == sent(*(f"p{number}" for number in range(10)), count=300)
