"""Queue-backed, batching forwarder for LLM feedback: the public names."""

from forwarder.client import FeedbackClient
from forwarder.errors import ForwarderError, InvalidFeedback, InvalidSettings, QueueFull, QueueUnavailable
from forwarder.settings import Settings, load_settings

__all__ = [
    "FeedbackClient",
    "ForwarderError",
    "InvalidFeedback",
    "InvalidSettings",
    "QueueFull",
    "QueueUnavailable",
    "Settings",
    "load_settings",
]
