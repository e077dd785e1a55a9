"""Replaying: bring dead letters back onto a queue, mended, bounded, resumable, and know what becomes of them."""
