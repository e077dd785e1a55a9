"""Dead letters: choose, read, group, export, import, purge and trim them."""
