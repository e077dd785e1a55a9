"""`forwarder doctor`: facts are gathered as far as they can be, and judged by pure checks, each with its mend."""
