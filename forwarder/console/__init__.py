"""The operator's console under /console and the JSON API under /api, served beside the HTTP ingest."""
