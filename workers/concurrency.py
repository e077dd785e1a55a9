"""Interim."""

from collections.abc import Mapping

from msgspec.structs import replace

from forwarder.queue.flow import Limit, Window

JOINED_AFTER_MS = 400


def due(limit: Limit, window: Window, now_ms: int) -> bool:
    return bool(window.pushed_back) or (window.answered > 0 and now_ms - limit.decided_ms >= 100)


def decide(limit: Limit, window: Window, peak: int, now_ms: int, maximum: int) -> Limit:
    if window.pushed_back:
        return replace(
            limit, value=max(1.0, limit.value * 0.5), slow_start=False, decided_ms=now_ms, epoch=limit.epoch + 1
        )
    if peak >= int(limit.value):
        value = limit.value * 2 if limit.slow_start else limit.value + 1
        return replace(limit, value=min(float(maximum), value), decided_ms=now_ms)
    return replace(limit, decided_ms=now_ms)


def shares(limit: int, wants: Mapping[str, int], turn: int) -> dict[str, int]:
    names = sorted(wants)
    return {name: limit // len(names) + (index < limit % len(names)) for index, name in enumerate(names)}
