"""Bodies with a flaw, and the codec that finds it."""

from forwarder.feedback import Codec, codec
from forwarder.flaws import Flaw

CODEC = codec()

GOOD = b'{"trace_id":"good","value":1}'

FIELDS = ("trace_id", "value", "weight", "text", "metadata")

DEPTH = 10_000

DEEP = b'{"trace_id":"deep","value":1,"metadata":{"n":' + b"[" * DEPTH + b"]" * DEPTH + b"}}"


def flaw_of(body: bytes, using: Codec = CODEC) -> Flaw:
    """The only flaw of a body that holds nothing good."""
    sifted = using.sift(body)
    assert sifted.good == []
    (flaw,) = sifted.bad
    return flaw


def with_field(field: str, raw: bytes) -> bytes:
    """A valid event but for one field, whose JSON is given."""
    fields = {"trace_id": b'"t"', "value": b"1"} | {field: raw}
    return b"{" + b",".join(b'"%s":%s' % (name.encode(), value) for name, value in fields.items()) + b"}"
