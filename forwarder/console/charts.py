"""Charts of the last hour: samples of the ledger become rates and levels, and those become paths of an SVG (pure)."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from forwarder.queue.history import Sample

SPAN_MS: Final = 3_600_000
WIDTH: Final = 300
HEIGHT: Final = 60
TOP: Final = 4
"""Room above the highest point, so that its line is seen whole."""
STEP_MS: Final = 30_000
"""A point stands for so long: a chart is some 300 pixels wide."""
GAP_MS: Final = 90_000
"""Samples further apart leave a hole: nobody looked, so nobody knows."""
LATELY_MS: Final = 15_000
"""What a rate of now is taken over; samples are ten seconds apart."""


@dataclass(frozen=True, slots=True)
class Point:
    """One value of a line.

    Attributes:
        at_ms: when.
        value: how much.
        joined: whether the line comes from the point before.
    """

    at_ms: int
    value: float
    joined: bool = True


@dataclass(frozen=True, slots=True)
class Line:
    """A line of a chart.

    Attributes:
        kind: how it is drawn: a class of the style sheet.
        name: what it is.
        now: its last value, as shown.
        path: of the line.
        area: of what is under it.
    """

    kind: str
    name: str
    now: str
    path: str
    area: str


@dataclass(frozen=True, slots=True)
class Chart:
    """A chart.

    Attributes:
        title: what it shows.
        top: the value at its upper edge, as shown.
        lines: in it.
    """

    title: str
    top: str
    lines: tuple[Line, ...]

    @property
    def spoken(self) -> str:
        """For who does not see it."""
        now = ", ".join(f"{line.name} {line.now}" if line.name else line.now for line in self.lines)
        return f"{self.title}, last hour: at most {self.top}; now {now}"


Shown = Callable[[float], str]


def coarse(samples: Sequence[Sample], highest: str = "") -> list[Sample]:
    """One sample of each STEP_MS: the last one, or that with the most of something."""
    found: dict[int, Sample] = {}
    for one in samples:
        step = one.at_ms // STEP_MS
        if not highest or step not in found or getattr(one, highest) >= getattr(found[step], highest):
            found[step] = one
    return list(found.values())


def rates(samples: Sequence[Sample], counter: str) -> list[Point]:
    """Events per second of a counter that only grows, between one sample and the next."""
    points: list[Point] = []
    for before, after in pairwise(samples):
        elapsed_ms = after.at_ms - before.at_ms
        gained = getattr(after, counter) - getattr(before, counter)
        if 0 < elapsed_ms <= GAP_MS and gained >= 0:  # a ledger that began anew gains nothing
            joined = bool(points) and points[-1].at_ms == before.at_ms
            points.append(Point(after.at_ms, gained * 1000 / elapsed_ms, joined))
    return points


def levels(samples: Sequence[Sample], name: str) -> list[Point]:
    """How much of something there was at each sample."""
    points: list[Point] = []
    for one in samples:
        joined = bool(points) and one.at_ms - points[-1].at_ms <= GAP_MS
        points.append(Point(one.at_ms, getattr(one, name), joined))
    return points


def rate_now(samples: Sequence[Sample], counter: str, now: Sample) -> float:
    """Events per second lately: between a sample some seconds old, or the oldest there is, and now."""
    if not samples:
        return 0.0
    before = next((one for one in reversed(samples) if now.at_ms - one.at_ms >= LATELY_MS), samples[0])
    elapsed_ms = max(1_000, now.at_ms - before.at_ms)
    gained: int = getattr(now, counter) - getattr(before, counter)
    return max(0, gained) * 1000 / elapsed_ms


def chart(title: str, lines: Sequence[tuple[str, str, Sequence[Point]]], now_ms: int, shown: Shown) -> Chart:
    """Lines on one scale, over the hour before `now_ms`.

    Args:
        title: of the chart.
        lines: kind, name and points of each.
        now_ms: its right edge.
        shown: writes a value.
    """
    since_ms = now_ms - SPAN_MS
    recent = [(kind, name, [point for point in points if point.at_ms >= since_ms]) for kind, name, points in lines]
    highest = max((point.value for _, _, points in recent for point in points), default=0)
    scale = highest or 1
    drawn = tuple(
        Line(kind, name, shown(points[-1].value if points else 0), *_paths(points, since_ms, scale))
        for kind, name, points in recent
    )
    return Chart(title, shown(highest), drawn)


def _paths(points: Sequence[Point], since_ms: int, scale: float) -> tuple[str, str]:
    """The line, and the area under it, both in pieces where there are holes."""
    pieces: list[list[tuple[float, float]]] = []
    for point in points:
        x = (point.at_ms - since_ms) / SPAN_MS * WIDTH
        y = HEIGHT - point.value / scale * (HEIGHT - TOP)
        if not point.joined or not pieces:
            pieces.append([])
        pieces[-1].append((x, y))
    line = "".join(_drawn(piece if len(piece) > 1 else [*piece, (piece[0][0] + 1, piece[0][1])]) for piece in pieces)
    area = "".join(
        f"M{piece[0][0]:.1f} {HEIGHT}{_drawn(piece).replace('M', 'L', 1)}L{piece[-1][0]:.1f} {HEIGHT}Z"
        for piece in pieces
        if len(piece) > 1
    )
    return line, area


def _drawn(piece: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in piece)
