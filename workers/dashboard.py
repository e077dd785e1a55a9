"""A configuration for rq-dashboard: `rq-dashboard -c workers.dashboard` shows the queue, the workers and their drains.

It brings the URL of the server where RQ lives. And it makes RQ read jobs as JSON wherever no serializer is named: our
jobs are JSON, rq-dashboard leaves the choice to RQ's default in its workers view, and the default, pickle, would both
fail on our jobs and run code that somebody else may have written into Redis.
"""

from rq import serializers

from forwarder.queue.connection import control_url
from forwarder.settings import load_settings

serializers.PickleSerializer = serializers.JSONSerializer  # type: ignore[assignment] # one in the other's place, on purpose

RQ_DASHBOARD_REDIS_URL = control_url(load_settings())
