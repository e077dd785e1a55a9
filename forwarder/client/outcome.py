"""What became of the events that a client was given (pure)."""

from dataclasses import dataclass, fields


@dataclass(frozen=True, slots=True)
class FlushResult:
    """What became of the events since the last flush; together they are the events that were given since then.

    Attributes:
        appended: Redis has them.
        spilled: in the spill file, from where this process or the next one appends them.
        dropped: lost, by an overflow policy or because neither Redis nor the disk took them.
        refused: they broke the model (with `on_invalid="log"`; otherwise the caller was told at once).
        pending: still on their way when the time was over; the next flush tells what became of them.
    """

    appended: int = 0
    spilled: int = 0
    dropped: int = 0
    refused: int = 0
    pending: int = 0

    @property
    def safe(self) -> bool:
        """Whether every event is in Redis or on the disk."""
        return not (self.dropped or self.refused or self.pending)


class Tally:
    """Counts what became of events until a flush asks. Its user sees to it that one thread at a time is inside."""

    def __init__(self) -> None:
        self.appended = self.spilled = self.dropped = self.refused = 0

    def told(self, pending: int) -> FlushResult:
        """The counts since the last time."""
        counted = [field.name for field in fields(FlushResult) if field.name != "pending"]
        result = FlushResult(**{name: getattr(self, name) for name in counted}, pending=pending)
        for name in counted:
            setattr(self, name, 0)
        return result
