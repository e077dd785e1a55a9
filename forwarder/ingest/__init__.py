"""The HTTP ingest: the Feedback API's own contract, answered when the queue has the events."""
