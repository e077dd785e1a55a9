"""What an app developer calls."""

from forwarder.client.async_client import AsyncFeedbackClient
from forwarder.client.client import FeedbackClient
from forwarder.client.drops import Drop
from forwarder.client.outcome import FlushResult

__all__ = ["AsyncFeedbackClient", "Drop", "FeedbackClient", "FlushResult"]
