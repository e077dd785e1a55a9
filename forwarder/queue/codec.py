"""How a body stands on the queue: as JSON, or in a form that only our own programs read, which it then names.

    JSON                          any producer writes this, and every version reads it
    NUL, names, NUL, data         forms; its entry has the field `v` as WIRE, because version 1 knew none

No JSON text begins with NUL. Of several forms the names stand in the order in which they were applied, with commas
between them. Bodies of dead letters stand in the same way, and chunks in the spill file. Without a form that is
configured all this costs nothing: a written body is not even looked at, a read entry for its field `v` alone.
"""

from collections.abc import Sequence
from typing import Final, Protocol
from weakref import WeakKeyDictionary

from forwarder.errors import ForwarderError

WIRE: Final = 2
"""The version of the wire format that we write when we must, and the newest that we read; absent means 1."""
NUL: Final = b"\0"
_NAMES_MAX: Final = 200


class UnreadableBody(ForwarderError):
    """A body stands in a form, or an entry is of a version, that this program does not read; another one may."""


class DamagedBody(UnreadableBody):
    """A body that nobody can read: what was written in a form is not what stands there."""


class Form(Protocol):
    """One way to write bodies.

    Attributes:
        name: of what is written now.
    """

    name: str

    def write(self, plain: bytes) -> bytes:
        """A body in this form."""

    def read(self, name: str, data: bytes) -> bytes | None:
        """The body again; None when the name is of another form.

        Raises:
            UnreadableBody: something is missing here that others may have.
            DamagedBody: nobody can read it.
        """


class BodyCodec:
    """Writes bodies in forms, one upon the other, and reads whatever stands there.

    Args:
        forms: in the order in which they are applied, as compressing before sealing.
    """

    def __init__(self, forms: Sequence[Form]) -> None:
        self._forms = forms
        self._head = NUL + ",".join([form.name for form in forms]).encode() + NUL if forms else b""

    def write(self, plain: bytes) -> bytes:
        """A body as it is to stand on the queue."""
        body = plain
        for form in self._forms:
            body = form.write(body)
        return self._head + body if self._head else body

    def read(self, body: bytes) -> bytes:
        """A body as its producer wrote it.

        Raises:
            UnreadableBody: it stands in a form that cannot be read here.
            DamagedBody: nobody can read it.
        """
        if not body.startswith(NUL):
            return body
        end = body.find(NUL, 1, _NAMES_MAX)
        names, data = body[1 : max(end, 1)].decode("ascii", "replace"), body[end + 1 :]
        for name in reversed(names.split(",")):
            data = self._read_one(name, data)
        return data

    def _read_one(self, name: str, data: bytes) -> bytes:
        from forwarder.queue.packing import PACKED  # noqa: PLC0415 - it imports this module

        for form in (*self._forms, PACKED):
            plain = form.read(name, data)
            if plain is not None:
                return plain
        raise UnreadableBody(f"its body stands in the form {name!r}, which is not read here")


PLAIN: Final = BodyCodec(())
"""Writes nothing but JSON."""

_of_clients: "WeakKeyDictionary[object, BodyCodec]" = WeakKeyDictionary()


def attach(client: object, codec: BodyCodec) -> None:
    """From now on what is written by this client stands as the codec says."""
    _of_clients[client] = codec


def codec_of(client: object) -> BodyCodec:
    """That of a client."""
    return _of_clients.get(client, PLAIN) if _of_clients else PLAIN
