"""Locks: a string with TTL says that somebody sees to something. Who dies with one only delays the next."""

from forwarder.queue.connection import Client


def acquire(client: Client, name: str, life_ms: int) -> bool:
    """Take `keys.posting` or `keys.trimming` for so long; False when somebody has it."""
    return bool(client.set(name, 1, nx=True, px=life_ms))


def extend(client: Client, name: str, life_ms: int) -> None:
    """Keep it, or take over one that was acquired for us, as a sweep does for the job that it enqueues."""
    client.set(name, 1, px=life_ms)


def release(client: Client, name: str) -> None:
    """Give it back."""
    client.delete(name)
