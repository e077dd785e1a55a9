"""What RQ runs: the worker, the drain job, and the way of a batch from the stream to the upstream."""
