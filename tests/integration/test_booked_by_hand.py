"""Books that somebody else's deletions have opened are closed again by the runbook's commands, word for word."""

import re
from typing import Any

from forwarder.feedback import Members
from forwarder.queue import settlement, stream
from forwarder.queue.audit import deep_audit
from forwarder.queue.connection import connect
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import GROUP, Keys
from forwarder.queue.scripts import run
from forwarder.queue.settlement import Settlement
from forwarder.queue.stream import Entry
from forwarder.settings import Settings
from tests.support.sandbox import ROOT

KEYS = Keys()
EVENT = b'{"trace_id":"t","value":1}'
COMMAND = re.compile(r"^redis-cli .* (HINCRBY) '(\S+)' (\w+) (-?)([A-Z]+)$", re.MULTILINE)


def filled(settings: Settings) -> Any:  # noqa: ANN401 - redis-py types replies as all that any client could get
    """A queue with a waiting entry of two events, and a dead letter."""
    client: Any = connect(settings)
    client.xgroup_create(KEYS.events, GROUP, id="0", mkstream=True)
    for count in (1, 2):
        members = Members(b",".join([EVENT] * count), count)
        run(client, stream.append(KEYS, members, chunk_id=stream.new_chunk_id(), source="", caps=settings.caps))
    ((entry_id, fields),) = client.xreadgroup(GROUP, "mine", {KEYS.events: ">"}, count=1)[0][1]
    letter = DeadLetter(EVENT, "rejected", "no", entry=entry_id)
    run(client, settlement.settle(KEYS, [Settlement(Entry(entry_id, fields), 1, [letter])], {}))
    return client


def gaps(client: Any) -> list[int]:  # noqa: ANN401 - as above
    """Of the lines `queue`, `dead`, `redis` and `deep`, those of the last two on their left sides."""
    audit = deep_audit(client, KEYS)
    lines = [sum(line.left.values()) - sum(line.right.values()) for line in audit.books.lines]
    return [*lines, audit.books["pending"] - audit.waiting.events]


def test_what_somebody_deleted_is_booked_as_the_runbook_says(settings: Settings) -> None:
    client = filled(settings)
    assert gaps(client) == [0, 0, 0, 0]
    (waiting,) = [entry_id for entry_id, _ in client.xrange(KEYS.events)]
    client.xdel(KEYS.events, waiting)
    client.xtrim(KEYS.dead, maxlen=0)
    assert gaps(client) == [0, 1, 1, 2]
    commands = COMMAND.findall((ROOT / "deploy" / "RUNBOOKS.md").read_text())
    found = {"ENTRIES": 1, "EVENTS": 2, "LETTERS": 1}
    for command, key, field, sign, what in commands:
        assert key == KEYS.ledger
        client.execute_command(command, key, field, f"{sign}{found[what]}")
    assert len(commands) == 4
    assert gaps(client) == [0, 0, 0, 0]
