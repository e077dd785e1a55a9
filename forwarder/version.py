"""Which release this is, as processes of other releases on the same queue may want to know."""

from functools import cache
from importlib.metadata import PackageNotFoundError, version

UNKNOWN = "unknown"
"""Run from its sources, not installed."""


@cache
def own_version() -> str:
    """The installed release, as `0.1.0`."""
    try:
        return version("feedback-forwarder")
    except PackageNotFoundError:
        return UNKNOWN
