"""What an app developer calls."""

from forwarder.client.async_client import AsyncFeedbackClient
from forwarder.client.client import FeedbackClient
from forwarder.client.drops import Drop
from forwarder.client.outcome import FlushResult
from forwarder.client.resource import FeedbackResponse
from forwarder.client.trace import trace_id_from

__all__ = ["AsyncFeedbackClient", "Drop", "FeedbackClient", "FeedbackResponse", "FlushResult", "trace_id_from"]
