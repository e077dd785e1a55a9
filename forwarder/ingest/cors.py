"""Cross-origin requests of browsers: refused by the browser unless an origin is named in the settings (pure)."""

from collections.abc import Mapping
from typing import Final

from forwarder.answers import Reply
from forwarder.ingest.asgi import Headers

ALLOWED: Final = {
    "Access-Control-Allow-Methods": "POST",
    "Access-Control-Allow-Headers": "authorization, content-encoding, content-type, x-portkey-api-key, x-request-id",
    "Access-Control-Max-Age": "600",
}


class Cors:
    """Says which origins may call.

    Args:
        origins: as browsers send them; `*` for any; empty for none.
    """

    def __init__(self, origins: frozenset[str]) -> None:
        self._origins = origins

    def headers(self, headers: Headers) -> Mapping[str, str]:
        """What an answer to this request carries; nothing when it needs none."""
        if not self._origins:
            return {}
        origin = headers.get(b"origin", b"").decode("latin-1")
        if origin not in self._origins and not (origin and "*" in self._origins):
            return {"Vary": "Origin"}
        exposed = "x-request-id, retry-after"
        return {"Access-Control-Allow-Origin": origin, "Access-Control-Expose-Headers": exposed, "Vary": "Origin"}

    def preflight(self, headers: Headers) -> Reply | None:
        """The answer to a browser that asks first; None when the origin is not allowed or nobody asks."""
        asked = b"access-control-request-method" in headers
        if not asked or "Access-Control-Allow-Origin" not in self.headers(headers):
            return None
        return Reply(204, b"", content_type="", headers=ALLOWED)
