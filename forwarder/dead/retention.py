"""Retention: dead letters beyond an age or a number are trimmed, never silently.

They are counted as purged, and by default written to a file before.
"""

import os
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from forwarder import clock
from forwarder.dead.lines import written
from forwarder.errors import ForwarderError
from forwarder.queue import dead_letters
from forwarder.queue.connection import Client
from forwarder.queue.dead_letters import PAGE, DeadLetter
from forwarder.queue.keys import Keys
from forwarder.queue.scripts import run
from forwarder.settings import Settings


@dataclass(frozen=True, slots=True)
class Retention:
    """What is kept.

    Attributes:
        max_age_s: since a letter died; None for ever.
        max_count: letters; None for all.
        folder: where to write what is trimmed; None to write nothing.
        secrets: texts that must not be written.
    """

    max_age_s: float | None
    max_count: int | None
    folder: Path | None
    secrets: tuple[str, ...] = ()

    def cause(self, oldest_died_ms: int, count: int, now_ms: int) -> str:
        """Why the oldest letter is to go: `count` or `age`; empty when it may stay."""
        if self.max_count is not None and count > self.max_count:
            return "count"
        if self.max_age_s is not None and now_ms - oldest_died_ms > self.max_age_s * 1000:
            return "age"
        return ""


@dataclass(slots=True)
class Trimmed:
    """What a trim did.

    Attributes:
        counts: letters by cause.
        file: where they were written; None when they were not.
    """

    counts: dict[str, int]
    file: Path | None = None


def retention(settings: Settings, destination: str) -> Retention:
    """What the settings say, for each partition of a destination: of the number it has its share, rounded up."""
    folder = settings.dead_export_dir or settings.data_dir / "dead-letters"
    kept = folder if settings.dead_trim == "export" else None
    count, partitions = settings.dead_max_count, settings.partitions_of(destination)
    share = None if count is None else -(-count // partitions)
    return Retention(settings.dead_max_age_s, share, kept, tuple(settings.secrets))


def is_due(client: Client, keys: Keys, policy: Retention) -> bool:
    """Whether there is something to trim."""
    if policy.max_age_s is None and policy.max_count is None:
        return False
    oldest = dead_letters.oldest(client, keys)
    return bool(oldest and policy.cause(oldest.died_ms, dead_letters.count(client, keys), clock.now_ms()))


def trim(client: Client, keys: Keys, policy: Retention, go_on: Callable[[], bool]) -> Trimmed:
    """Trim page by page, the oldest first, each page written to the disk before it is deleted.

    Who is killed in between leaves a page that is written and still dead: the next trim writes it once more, and
    `dead-letters import` takes each letter once.

    Args:
        client: of the queue.
        keys: the partition.
        policy: what is kept.
        go_on: asked before each page.

    Raises:
        ForwarderError: the file cannot be written; what was not written stays dead.
    """
    done = Trimmed({})
    while go_on() and (page := _page(client, keys, policy)):
        letters, cause = page
        if policy.folder is not None:
            done.file = _write(policy.folder, keys, letters, policy.secrets)
        purged = run(client, dead_letters.purge(keys, [letter.id for letter in letters if letter.id], cause))
        done.counts[cause] = done.counts.get(cause, 0) + purged
    return done


def _page(client: Client, keys: Keys, policy: Retention) -> tuple[list[DeadLetter], str] | None:
    """The oldest letters that are to go, all for the same cause."""
    page = next(dead_letters.scan_pages(client, keys), None)
    if not page:
        return None
    now_ms, count = clock.now_ms(), dead_letters.count(client, keys)
    cause = policy.cause(page[0].died_ms, count, now_ms)
    if cause == "count":
        return page[: min(PAGE, count - (policy.max_count or 0))], cause
    old = [letter for letter in page if cause and policy.cause(letter.died_ms, 0, now_ms)]
    return (old, cause) if old else None


def _write(folder: Path, keys: Keys, letters: list[DeadLetter], secrets: Sequence[str]) -> Path:
    """Append letters to the file of this day; what people wrote is nobody else's to read.

    Each partition has its own file: two workers that trim at once must not write into each other's lines.
    """
    of = f"{keys.destination}.{keys.partition}" if keys.partition else keys.destination
    path = folder / f"{of}-{time.strftime('%Y-%m-%d', time.gmtime())}.jsonl"
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        with open(path, "ab", opener=_private) as out:
            out.writelines(written(letter, secrets) for letter in letters)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        raise ForwarderError(
            f"{path} cannot be written ({error.strerror}), so no dead letter is trimmed: mend it, or set "
            "FORWARDER_DEAD_EXPORT_DIR or FORWARDER_DEAD_TRIM=purge"
        ) from None
    return path


def _private(path: str, flags: int) -> int:
    """Open a file; made when it is missing, for its user alone."""
    return os.open(path, flags, 0o600)
