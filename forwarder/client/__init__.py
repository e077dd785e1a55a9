"""What an app developer calls."""

from forwarder.client.client import FeedbackClient

__all__ = ["FeedbackClient"]
