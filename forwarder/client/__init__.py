"""What an app developer calls."""

from forwarder.client.client import FeedbackClient
from forwarder.client.outcome import FlushResult

__all__ = ["FeedbackClient", "FlushResult"]
