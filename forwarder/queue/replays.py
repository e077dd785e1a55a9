"""The state of a replay, in Redis, so that anybody can look, cancel, or go on after a kill -9; and its steps.

A replay is run by whoever holds its lease: a command, or an RQ job of a worker (`background`). Every page of letters
moves in one step with the cursor that says how far it has come.
"""

import secrets
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec
from msgspec import Struct

from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import Argument, Step

PROMISED: Final = "promised"
"""The holder of a replay for which a job was enqueued."""
LIFE_MS: Final = 30 * 86_400_000
"""A replay that nobody has touched for a month is forgotten; its letters stay dead."""
ACTIVE: Final = ("running", "canary")
FOREVER_MS: Final = 2**52
"""An end of time that Lua's numbers hold exactly."""
_TRACE_IDS_PER_STEP: Final = 1_000


class Record(Struct, frozen=True, kw_only=True):
    """A replay as it stands.

    Attributes:
        id: twelve hexadecimal digits.
        plan: what it is to do, JSON (`forwarder.replaying.plan`).
        state: `running`, `canary` (its outcome is awaited), `done`, `cancelled` or `stopped`.
        note: why, in words; empty when there is nothing to say.
        by: who began it.
        background: whether a worker runs it.
        holder: the token of who runs it now; empty when nobody does.
        lease: until when (ms since 1970).
        due: a worker is not to take it before (ms).
        began, updated, ended: when (ms); `ended` is 0 while it is not over.
        bound: the newest letter's id when it began; what dies later is not met.
        cursor: the last letter that was looked at.
        dead: letters on the stream when it began.
        seen: letters looked at.
        matched: of them, those of the selection.
        moved: back on the queue.
        kept: no valid event, even as edited; they stay dead.
        spent: replayed too often already; they stay dead.
        gone: replayed or purged by somebody else meanwhile.
        delivered: events of it that the upstream has.
        died: events of it that are dead again.
        canaried: whether the canary is over, or was waived.
        sending: the ids of a page that is being handed over to another destination.
        examples: the first of the kept, JSON: id and problem.
    """

    id: str
    plan: bytes = b"{}"
    state: str = "running"
    note: str = ""
    by: str = ""
    background: bool = False
    holder: str = ""
    lease: int = 0
    due: int = 0
    began: int = 0
    updated: int = 0
    ended: int = 0
    bound: str = "0-0"
    cursor: str = "0-0"
    dead: int = 0
    seen: int = 0
    matched: int = 0
    moved: int = 0
    kept: int = 0
    spent: int = 0
    gone: int = 0
    delivered: int = 0
    died: int = 0
    canaried: bool = False
    sending: str = ""
    examples: str = "[]"

    @property
    def active(self) -> bool:
        """Whether it is not over."""
        return self.state in ACTIVE

    @property
    def under_way(self) -> int:
        """Events of it that wait or are being sent."""
        return max(0, self.moved - self.delivered - self.died)

    def held(self, now_ms: int) -> bool:
        """Whether somebody runs it."""
        return bool(self.holder) and self.lease > now_ms


def new_id() -> str:
    """A replay's id."""
    return secrets.token_hex(6)


def begin(
    keys: Keys,
    record: Record,
    *,
    digest: str,
    since_ms: int | None,
    until_ms: int | None,
    ttl_ms: int,
    new: bool = True,
) -> Step[tuple[str, str]]:
    """Begin a replay, or go on with one that is over.

    Args:
        keys: the partition.
        record: its id, plan, holder (empty for the background) and who begins it.
        digest: of the selection's filters but for the times of death.
        since_ms: the first of these.
        until_ms: the last.
        ttl_ms: of the lease.
        new: False to go on.

    Returns:
        The step, which answers `begun`, or `runs` with the id of another one, or `unknown`.
    """
    bounds: list[Argument] = [since_ms or 0, FOREVER_MS if until_ms is None else until_ms]
    args: list[Argument] = [record.id, record.holder, ttl_ms, LIFE_MS, digest, *bounds]
    if new:
        args += ["plan", record.plan, "by", record.by]
    step_keys = [keys.dead, keys.replaying, keys.replays, keys.replay(record.id)]
    return Step("replay_begin", step_keys, args, lambda reply: (reply[0].decode(), reply[1].decode()))


def take(keys: Keys, replay_id: str, token: str, ttl_ms: int) -> Step[str]:
    """Take a replay that nobody runs; answers `taken`, `held`, `early`, `over` or `gone`."""
    step_keys = [keys.replay(replay_id), keys.replaying]
    return Step("replay_take", step_keys, [replay_id, token, ttl_ms], lambda reply: str(reply.decode()))


def turn(
    keys: Keys,
    replay_id: str,
    token: str,
    state: str,
    note: str = "",
    *,
    give_back_ms: int | None = None,
    fields: Mapping[str, Argument] | None = None,
) -> Step[bool]:
    """Bring a replay into another state; False when it was over, or is not ours.

    Args:
        keys: the partition.
        replay_id: which.
        token: ours; empty to cancel it, whoever runs it.
        state: as in `Record`.
        note: why.
        give_back_ms: give the lease back, for a job to take it after so long; None to keep it.
        fields: further fields to set.
    """
    back: Argument = "" if give_back_ms is None else give_back_ms
    args: list[Argument] = [replay_id, token, state, int(state not in ACTIVE), note, back]
    for name, value in (fields or {}).items():
        args += [name, value]
    return Step("replay_turn", [keys.replay(replay_id), keys.replaying], args, bool)


def get(client: Client, keys: Keys, replay_id: str) -> Record | None:
    """A replay's record; None when nothing is known of it."""
    fields: Any = client.hgetall(keys.replay(replay_id))
    if b"plan" not in fields:
        return None
    plain = {name.decode(): value.decode("utf-8", "replace") for name, value in fields.items() if name != b"plan"}
    return msgspec.convert({**plain, "id": replay_id, "plan": fields[b"plan"]}, Record, strict=False)


def newest(client: Client, keys: Keys, limit: int) -> list[Record]:
    """The replays that began last, the newest first; those of which nothing is known any more are left out."""
    ids: Any = client.zrevrange(keys.replays, 0, limit - 1)
    return [record for replay_id in ids if (record := get(client, keys, replay_id.decode()))]


def running(client: Client, keys: Keys) -> list[str]:
    """The ids of the replays that are not over."""
    ids: Any = client.hkeys(keys.replaying)
    return [replay_id.decode() for replay_id in ids]


def outcomes(client: Client, target: Keys, replay_id: str) -> tuple[int, int]:
    """How many events of a replay were delivered and how many died again, where they went."""
    counts: Any = client.hmget(target.replay(replay_id), "delivered", "died")
    return int(counts[0] or 0), int(counts[1] or 0)


def store_trace_ids(client: Client, keys: Keys, replay_id: str, pairs: Mapping[str, str]) -> None:
    """Keep the trace ids that a replay needs, for whoever goes on with it."""
    items, key = list(pairs.items()), keys.trace_ids(replay_id)
    for first in range(0, len(items), _TRACE_IDS_PER_STEP):
        with client.pipeline(transaction=True) as step:
            step.hset(key, mapping=dict(items[first : first + _TRACE_IDS_PER_STEP]))
            step.pexpire(key, LIFE_MS)
            step.execute()


def trace_ids(client: Client, keys: Keys, replay_id: str, wanted: Sequence[str]) -> list[str | None]:
    """What is put in the place of these trace ids; None for each that is not in the map."""
    found: Any = client.hmget(keys.trace_ids(replay_id), list(wanted)) if wanted else []
    return [None if one is None else one.decode() for one in found]


def forget_trace_ids(client: Client, keys: Keys, replay_id: str) -> None:
    """The replay does not take place."""
    client.delete(keys.trace_ids(replay_id))
