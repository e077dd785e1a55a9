import re

import pytest

from forwarder.queue import keys as module
from forwarder.queue.keys import GROUP, Keys, OperatorKeys

NAMED = Keys("eu-west", 3, "app:")


@pytest.mark.parametrize(
    ("key", "name"),
    [
        (Keys().events, "feedback:{default.0}:events"),
        (Keys().dead, "feedback:{default.0}:dead"),
        (Keys().ledger, "feedback:{default.0}:ledger"),
        (Keys().lease(2), "feedback:{default.0}:lease:2"),
        (Keys().chunk("abc"), "feedback:{default.0}:chunk:abc"),
        (Keys().pause, "feedback:{default}:pause"),
        (NAMED.events, "app:{eu-west.3}:events"),
        (NAMED.pause, "app:{eu-west}:pause"),
        (GROUP, "forwarder"),
    ],
)
def test_a_key_has_the_name_of_the_wire_contract(key: str, name: str) -> None:
    assert key == name


def test_there_is_a_lease_for_each_drain_slot_from_nought() -> None:
    assert Keys().leases == [Keys().lease(slot) for slot in range(64)]


def of_partition(keys: Keys) -> set[str]:
    """All keys of a partition, with the names that the contract uses for what varies."""
    plain = {
        keys.events,
        keys.dead,
        keys.ledger,
        keys.batches,
        keys.memory,
        keys.replays,
        keys.replaying,
        keys.imported,
    }
    plain |= {keys.trimming, keys.notices, keys.outbox, keys.posting, keys.history}
    lease = keys.lease(0).removesuffix("0") + "N"
    return {*plain, lease, keys.chunk("ID"), keys.replay("ID"), keys.trace_ids("ID")}


def of_destination(keys: Keys) -> set[str]:
    return {keys.pause, keys.flow, keys.rate}


def test_the_contract_lists_every_key() -> None:
    listed = re.findall(r"^\| `(.+?)` \|", module.__doc__ or "", re.MULTILINE)
    operators = {OperatorKeys().trail, OperatorKeys().session("ID"), OperatorKeys().logins("ID")}
    assert len(set(listed)) == len(listed)
    assert set(listed) == of_partition(Keys()) | of_destination(Keys()) | operators


def test_all_keys_of_a_partition_share_one_hash_tag_and_those_of_a_destination_another() -> None:
    assert {key.rpartition("}")[0] for key in of_partition(NAMED)} == {"app:{eu-west.3"}
    assert {key.rpartition("}")[0] for key in of_destination(NAMED)} == {"app:{eu-west"}
    assert OperatorKeys("app:").trail == "app:{console}:trail"


def test_a_partition_is_named_for_people_when_it_is_not_the_first() -> None:
    assert (str(Keys("eu")), str(NAMED)) == ("eu", "eu-west, partition 3")


def test_partitions_and_destinations_share_no_key() -> None:
    keys = [Keys("a", 0), Keys("a", 1), Keys("b", 0), Keys("a", 0, "other:")]
    assert len({key.events for key in keys}) == len(keys)
