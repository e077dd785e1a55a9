"""The faults in force, and which of them befalls a request (pure: the time and the seed are handed in)."""

import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Annotated, Any, TypeVar

from pydantic import Field, TypeAdapter, ValidationError

from forwarder.answers import refuse
from forwarder.sandbox.fault import Fault, Seen
from forwarder.sandbox.outages import Failure, Garbage, Hang, Latency, Reset, ShortIds, Status
from forwarder.sandbox.refusals import Capacity, MaxBytes, MaxEvents, Refuse

_Outage = Status | Reset | Hang | Garbage | Failure | ShortIds | Latency
AnyFault = Annotated[_Outage | Refuse | Capacity | MaxEvents | MaxBytes, Field(discriminator="kind")]
_Parsed = TypeVar("_Parsed")

_one: TypeAdapter[AnyFault] = TypeAdapter(AnyFault)
_many: TypeAdapter[list[AnyFault]] = TypeAdapter(list[AnyFault])


@dataclass(slots=True)
class _Armed:
    fault: Fault
    since: float
    dice: random.Random
    applied: int = 0

    def is_over(self, now: float) -> bool:
        spent = self.fault.count is not None and self.applied >= self.fault.count
        return spent or (self.fault.for_s is not None and now - self.since >= self.fault.for_s)

    def strikes(self, seen: Seen, now: float) -> bool:
        if self.is_over(now) or not self.fault.fits(seen) or self.dice.random() >= self.fault.share:
            return False
        self.applied += 1
        return True


@dataclass(frozen=True, slots=True)
class Lot:
    """What befalls one request.

    Attributes:
        delay_s: how long it waits first.
        fault: what happens then; None for normal handling.
        name: the kinds of all that applied, for the record; None when nothing did.
    """

    delay_s: float = 0
    fault: Fault | None = None
    name: str | None = None


@dataclass(slots=True)
class Plan:
    """The faults in force, in the order in which they are tried.

    Each has its own random numbers, made from the seed and its place in the order: what one does to a sequence of
    requests does not depend on the others.
    """

    seed: int = 0
    _armed: list[_Armed] = field(default_factory=list)

    def replace(self, faults: Iterable[Fault], now: float) -> None:
        """Put these in force, in place of all others."""
        self._armed.clear()
        for fault in faults:
            self.add(fault, now)

    def add(self, fault: Fault, now: float) -> None:
        """Put one more in force, after the others."""
        dice = random.Random(f"{self.seed}/{len(self._armed)}")  # noqa: S311 - repeatable on purpose
        self._armed.append(_Armed(fault, now, dice))

    def draw(self, seen: Seen, now: float) -> Lot:
        """What befalls a request: every latency that strikes, and the first other fault that does."""
        delay_s, fault, names = 0.0, None, []
        for armed in self._armed:
            waits = isinstance(armed.fault, Latency)
            if (fault is not None and not waits) or not armed.strikes(seen, now):
                continue
            names.append(armed.fault.kind)
            delay_s += armed.fault.delay_s(armed.dice)
            fault = fault if waits else armed.fault
        return Lot(delay_s, fault, "+".join(names) or None)

    def describe(self, now: float) -> dict[str, Any]:
        """The faults as they were asked for, how often each applied, and whether it is over."""
        faults = [
            armed.fault.model_dump(mode="json", exclude_unset=True)
            | {"applied": armed.applied, "over": armed.is_over(now)}
            for armed in self._armed
        ]
        return {"seed": self.seed, "faults": faults}


def parse_fault(body: bytes) -> Fault:
    """One fault from JSON.

    Raises:
        Refused: 400 when it is not JSON, 422 when a field is wrong; the answer names the field.
    """
    return _parse(_one, body)


def parse_faults(body: bytes) -> list[Fault]:
    """A list of faults from JSON.

    Raises:
        Refused: as `parse_fault`.
    """
    faults = _parse(_many, body)
    return [*faults]


def _parse(adapter: TypeAdapter[_Parsed], body: bytes) -> _Parsed:
    try:
        return adapter.validate_json(body)
    except ValidationError as error:
        flaw = error.errors(include_url=False, include_context=False)[0]
        if flaw["type"] == "json_invalid":
            raise refuse(400, f"is not JSON: {flaw['msg']}") from None
        where = _where(flaw["loc"], flaw["type"])
        problem = flaw["msg"].removeprefix("Value error, ")
        raise refuse(422, f"{where}: {problem}" if where else problem, where or None) from None


def _where(path: tuple[int | str, ...], problem: str) -> str:
    """The field that is wrong, as `[0].status`; pydantic's path also holds the fault's kind and the type tried."""
    index = f"[{path[0]}]" if path and isinstance(path[0], int) else ""
    inside = path[1:] if index else path
    field = "kind" if problem.startswith("union_tag") else str(inside[1]) if len(inside) > 1 else ""
    return f"{index}.{field}" if index and field else index or field
