"""Gathers what the checks judge. What cannot be had is None, with the reason; the rest is gathered all the same."""

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from redis.exceptions import ResponseError

from forwarder import clock
from forwarder.data_lock import sandbox_url
from forwarder.doctor.files import FileFacts, read_files
from forwarder.doctor.upstream import UpstreamFacts, ask_upstream
from forwarder.errors import ForwarderError, InvalidSettings
from forwarder.paths import DataDir
from forwarder.queue.connection import Client, connect, control_url, queue_url, user_of
from forwarder.queue.holding import Holding, read_holding, stream_bytes
from forwarder.queue.keys import Keys
from forwarder.queue.ledger import Snapshot, snapshot, total
from forwarder.queue.partitions import found
from forwarder.queue.pause import Pause, get_pause
from forwarder.queue.rights import ROLES, Right, Role, missing
from forwarder.queue.rq_keys import LostJob, Worker, lost_jobs, read_workers
from forwarder.queue.scripts import run
from forwarder.queue.server import ServerFacts, read_servers
from forwarder.queue.unavailable import queue_errors
from forwarder.sandbox.reached import leading_to_sandbox
from forwarder.settings import Settings
from forwarder.version import own_version

Answer = TypeVar("Answer")

LOST_AFTER_S = 30.0
"""A job that was enqueued so long ago is either known to a worker or lost."""


@dataclass(frozen=True, slots=True)
class PartitionFacts:
    """One partition of a destination.

    Attributes:
        keys: its keys; as text, its name.
        books: its ledger.
        holding: its leases and its oldest pending entry.
        stream_bytes: what its events take in Redis; 0 when not known.
    """

    keys: Keys
    books: Snapshot
    holding: Holding
    stream_bytes: int = 0


@dataclass(frozen=True, slots=True)
class DestinationFacts:
    """One destination on the queue.

    Attributes:
        name: its name.
        partitions: all of them.
        pause: in force, if any.
    """

    name: str
    partitions: tuple[PartitionFacts, ...]
    pause: Pause | None

    @property
    def books(self) -> Snapshot:
        """Of all partitions, added up."""
        return total([one.books for one in self.partitions])

    @property
    def stream_bytes(self) -> int:
        """What its events take in Redis; 0 when not known."""
        return sum(one.stream_bytes for one in self.partitions)


@dataclass(frozen=True, slots=True)
class QueueFacts:
    """All that Redis told; a part that we may not read is None.

    Attributes:
        servers: of the queue: one, or the primaries of a cluster.
        user: as whom we are known there.
        rights: for each role, what this user may not do of what it needs.
        destinations: of the settings; None when we may not read the books.
        workers: registered with RQ; None when we may not read its keys.
        lost: jobs that RQ has lost.
    """

    servers: tuple[ServerFacts, ...] | None
    user: str
    rights: Mapping[Role, tuple[Right, ...]]
    destinations: tuple[DestinationFacts, ...] | None
    workers: tuple[Worker, ...] | None
    lost: tuple[LostJob, ...] = ()


@dataclass(frozen=True, slots=True)
class Facts:
    """What the doctor knows.

    Attributes:
        settings: in force; None when they are wrong.
        settings_error: in what way.
        queue: what Redis told; None when it cannot be spoken with.
        queue_error: why not.
        upstreams: one per destination.
        files: of this machine.
        version: our own release.
        now_ms: when this was gathered (ms since 1970).
    """

    settings: Settings | None = None
    settings_error: str = ""
    queue: QueueFacts | None = None
    queue_error: str = ""
    upstreams: tuple[UpstreamFacts, ...] = ()
    files: tuple[FileFacts, ...] = ()
    version: str = field(default_factory=own_version)
    now_ms: int = field(default_factory=clock.now_ms)


def gather(settings: Settings) -> Facts:
    """Look at everything; upstreams are asked while Redis is."""
    settings, names = _as_up_has_them(settings), settings.destination_names
    with ThreadPoolExecutor(max_workers=min(16, len(names))) as pool:
        asked = [pool.submit(_ask, settings, name) for name in names]
        queue, queue_error = _queue(settings)
        upstreams = tuple(one.result() for one in asked)
    return Facts(
        settings=settings,
        queue=queue,
        queue_error=queue_error,
        upstreams=upstreams,
        files=read_files(settings, Path.cwd()),
    )


def _as_up_has_them(settings: Settings) -> Settings:
    """Without a key, `forwarder up` sends to a sandbox of its own: then that is the upstream to look at."""
    url = None if settings.has_key else sandbox_url(DataDir(settings.data_dir))
    return settings.model_copy(update=leading_to_sandbox(url)) if url else settings


def gather_without_settings(error: InvalidSettings) -> Facts:
    """What can be looked at when the settings are wrong."""
    return Facts(settings_error=str(error), files=read_files(None, Path.cwd()))


def _ask(settings: Settings, name: str) -> UpstreamFacts:
    upstream = settings.upstream(name)
    try:
        return ask_upstream(name, upstream)
    except InvalidSettings as error:  # its key cannot be read
        return UpstreamFacts(name, upstream.url, "nothing", str(error), has_key=False)


def _queue(settings: Settings) -> tuple[QueueFacts | None, str]:
    client, control = connect(settings, retries=0), connect(settings, control_url(settings), retries=0)
    try:
        with queue_errors(settings):
            client.ping()
            control.ping()
            return _facts(settings, client, control), ""
    except ForwarderError as error:
        return None, str(error)
    finally:
        client.close()
        control.close()


def _facts(settings: Settings, client: Client, control: Client) -> QueueFacts:
    rights = {role: tuple(missing(client, control, role, settings.key_prefix)) for role in ROLES}
    names = settings.destination_names
    return QueueFacts(
        servers=_if_allowed(lambda: tuple(read_servers(client))),
        user=user_of(queue_url(settings)),
        rights=rights,
        destinations=_if_allowed(lambda: tuple(_destination(client, settings, name) for name in names)),
        workers=_if_allowed(lambda: tuple(read_workers(control))),
        lost=_if_allowed(lambda: tuple(lost_jobs(control, older_than_s=LOST_AFTER_S))) or (),
    )


def _if_allowed(read: Callable[[], Answer]) -> Answer | None:
    """An answer; None when this user may not have it, as most of the shipped ones may not have all."""
    try:
        return read()
    except ResponseError:
        return None


def _destination(client: Client, settings: Settings, name: str) -> DestinationFacts:
    partitions = found(client, settings, name)
    pause = get_pause(client, partitions[0])
    return DestinationFacts(name, tuple(_partition(client, keys) for keys in partitions), pause)


def _partition(client: Client, keys: Keys) -> PartitionFacts:
    return PartitionFacts(keys, run(client, snapshot(keys)), read_holding(client, keys), stream_bytes(client, keys))
