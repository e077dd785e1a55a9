import re

import pytest

from forwarder.queue.keys import GROUP, Keys

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


def test_all_keys_of_a_partition_share_one_hash_tag() -> None:
    keys = [NAMED.events, NAMED.dead, NAMED.ledger, NAMED.lease(1), NAMED.chunk("x")]
    assert {re.findall(r"\{(.*?)\}", key)[0] for key in keys} == {"eu-west.3"}


def test_partitions_and_destinations_share_no_key() -> None:
    keys = [Keys("a", 0), Keys("a", 1), Keys("b", 0), Keys("a", 0, "other:")]
    assert len({key.events for key in keys}) == len(keys)
