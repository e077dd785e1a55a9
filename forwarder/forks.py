"""What happens to threads, locks and connections when a process forks: whoever has some registers here.

A fork copies memory but only the thread that forks. A lock that another thread held stays locked in the child for ever,
and a connection that both go on to use garbles what both say. So each registered object is held still while the fork
happens, and begins anew in the child.
"""

import os
import weakref
from typing import Final, Protocol

HOLD_S: Final = 1.0
"""Longest that a fork waits for one object to be still; then it goes on, and the child begins anew all the same."""


class ForkAware(Protocol):
    """Something that a fork must not cut in two."""

    def hold(self) -> None:
        """Before a fork: wait until no thread is inside, at most HOLD_S, and let none in."""

    def go_on(self) -> None:
        """After a fork, in the parent."""

    def begin_anew(self) -> None:
        """After a fork, in the child: forget what belongs to the parent, touch nothing of it."""


_registered: dict[int, weakref.ref[ForkAware]] = {}


def register(thing: ForkAware) -> None:
    """Tell it of every fork for as long as it lives."""
    number = id(thing)
    _registered[number] = weakref.ref(thing, lambda _: _registered.pop(number, None))


def _living() -> list[ForkAware]:
    return [thing for ref in list(_registered.values()) if (thing := ref()) is not None]


def _before() -> None:
    for thing in _living():
        thing.hold()


def _in_parent() -> None:
    for thing in _living():
        thing.go_on()


def _in_child() -> None:
    for thing in _living():
        thing.begin_anew()


os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
