"""A replay by its bare steps."""

from collections.abc import Sequence

from forwarder.queue import replay_pages, replays
from forwarder.queue.connection import Client
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.replay_pages import Page
from forwarder.queue.replays import Record
from forwarder.queue.scripts import run
from forwarder.replaying.pages import in_groups


def begun(client: Client, keys: Keys | None = None) -> Record:
    """A new replay, which is ours; none keeps another from beginning."""
    keys = keys or Keys()
    record = Record(id=replays.new_id(), holder="us")
    step = replays.begin(keys, record, digest=record.id, since_ms=None, until_ms=None, ttl_ms=60_000)
    assert run(client, step) == ("begun", record.id)
    return record


def moved(client: Client, record: Record, letters: Sequence[DeadLetter]) -> tuple[int, int]:
    """Move a page; how many letters the replay has moved, and how many were gone."""
    page = Page("0-0", letters[-1].id or "", in_groups(list(letters)), seen=len(letters), matched=len(letters))
    turned = run(client, replay_pages.move(Keys(), record, page, ttl_ms=60_000, backlog_max=1_000_000))
    return turned.progress["moved"], turned.progress["gone"]
