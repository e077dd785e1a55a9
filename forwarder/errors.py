"""Every error that a user can meet has one root, one sentence, and says what mends it.

ForwarderError
├── InvalidFeedback       an event breaks the model; names position and field
├── InvalidSettings       a FORWARDER_* variable is wrong; names the variable
├── QueueUnavailable      Redis is away, refuses us or is too old
├── QueueFull             the backlog cap is reached
├── SpillFull             the spill file is at its cap, or its disk is full
├── SpillUnavailable      the spill file cannot be used
├── EmbeddedError         the Valkey of `forwarder up` cannot start
├── UnreadableInput       a file that `forwarder send` cannot go on reading (forwarder/records/source.py)
├── NotThere              what was asked for is not there: no such letter, no such replay
└── UsageError            a command was called with arguments that do not fit together
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from forwarder.flaws import Flaw


class ForwarderError(Exception):
    """The root: its text is one line that a user can act upon."""


class InvalidFeedback(ForwarderError, ValueError):
    """Some events break the model.

    Attributes:
        flaws: what is wrong, one per bad event, in the order of the input.
    """

    def __init__(self, flaws: Sequence[Flaw]) -> None:
        self.flaws = tuple(flaws)
        shown = "; ".join(str(flaw) for flaw in self.flaws[:3])
        more = f"; and {len(self.flaws) - 3} more" if len(self.flaws) > 3 else ""  # noqa: PLR2004 - three fit a line
        super().__init__(shown + more)


class InvalidSettings(ForwarderError):
    """A variable is missing or wrong."""


class QueueUnavailable(ForwarderError):
    """Redis cannot be reached, refuses the login, or cannot do what is asked."""


class QueueFull(ForwarderError):
    """The backlog has reached FORWARDER_BACKLOG_MAX_EVENTS; nothing was stored."""


class SpillFull(ForwarderError):
    """The spill file has reached FORWARDER_SPILL_MAX_BYTES, or its disk has no room; nothing was written."""


class SpillUnavailable(ForwarderError):
    """The spill file cannot be opened, read or written."""


class EmbeddedError(ForwarderError):
    """The embedded Valkey server cannot be started."""


class NotThere(ForwarderError):
    """What was named is not there, or not any more."""


class UsageError(ForwarderError):
    """Arguments that do not fit together."""
