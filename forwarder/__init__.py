"""Queue-backed, batching forwarder for LLM feedback: the public names, each imported when it is first used."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from forwarder.client import (
        AsyncFeedbackClient,
        Drop,
        FeedbackClient,
        FeedbackResponse,
        FlushResult,
        trace_id_from,
    )
    from forwarder.errors import ForwarderError, InvalidFeedback, InvalidSettings, QueueFull, QueueUnavailable
    from forwarder.settings import Settings, load_settings

__all__ = [
    "AsyncFeedbackClient",
    "Drop",
    "FeedbackClient",
    "FeedbackResponse",
    "FlushResult",
    "ForwarderError",
    "InvalidFeedback",
    "InvalidSettings",
    "QueueFull",
    "QueueUnavailable",
    "Settings",
    "load_settings",
    "trace_id_from",
]

_OF_THE_CLIENT = ("AsyncFeedbackClient", "Drop", "FeedbackClient", "FeedbackResponse", "FlushResult", "trace_id_from")
_ROOMS = {
    **dict.fromkeys(_OF_THE_CLIENT, "client"),
    **dict.fromkeys(("Settings", "load_settings"), "settings"),
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name (PEP 562)
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_ROOMS.get(name, 'errors')}"), name)
