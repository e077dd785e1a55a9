"""A replay by its bare steps."""

from collections.abc import Sequence

from forwarder.queue import replay_pages, replays
from forwarder.queue.codec import codec_of
from forwarder.queue.connection import Client
from forwarder.queue.dead_letters import DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.replay_pages import Page, Turned
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


def witness(client: Client, record: Record) -> str:
    """What tells the replay later whether somebody took letters since."""
    return _turned(client, record, Page("0-0", "0-0")).witness


def moved(client: Client, record: Record, letters: Sequence[DeadLetter], known: str = "") -> tuple[int, int]:
    """Move a page; how many letters the replay has moved, and how many were gone.

    Args:
        client: of the queue.
        record: of the replay.
        letters: of the page.
        known: the witness of before they were read, for them to move as a whole.
    """
    count = len(letters)
    page = Page("0-0", letters[-1].id or "", in_groups(letters), seen=count, matched=count, witness=known)
    turned = _turned(client, record, page)
    return turned.progress["moved"], turned.progress["gone"]


def _turned(client: Client, record: Record, page: Page) -> Turned:
    step = replay_pages.move(Keys(), record, page, ttl_ms=60_000, backlog_max=1_000_000, codec=codec_of(client))
    return run(client, step)
