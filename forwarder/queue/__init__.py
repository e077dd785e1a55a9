"""The only place that speaks Redis: the streams, the lease, the ledger, the pause, and the scripts that bind them."""
