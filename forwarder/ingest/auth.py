"""Who may call: keys compared in constant time, each tied to a destination and a source."""

import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from forwarder.answers import refuse
from forwarder.errors import InvalidSettings
from forwarder.ingest.asgi import Headers
from forwarder.ingest_settings import IngestKey, IngestSettings
from forwarder.listening import is_loopback
from forwarder.named_settings import HASH_PREFIX

Tie = TypeVar("Tie")

KEY_HEADERS: Final = "x-portkey-api-key or Authorization: Bearer"
_BEARER: Final = b"bearer "


@dataclass(frozen=True, slots=True)
class Caller:
    """To whom a key belongs.

    Attributes:
        destination: where the events go.
        source: their source; empty when it is not known.
    """

    destination: str = "default"
    source: str = ""


class Door(Generic[Tie]):
    """Lets callers in.

    Keys are kept and compared as SHA-256 digests: all are then of one length, and whether the configured one was a
    hash makes no difference. Every configured key is compared, whichever matches.

    Args:
        keys: digests of the keys, each with what it is tied to.
        everyone: what callers without a key are tied to; None when a key is wanted.
    """

    def __init__(self, keys: Sequence[tuple[bytes, Tie]], everyone: Tie | None) -> None:
        self._keys = keys
        self._everyone = everyone

    def admit(self, headers: Headers) -> Tie:
        """What the caller is tied to.

        Raises:
            Refused: 401; no key, or a wrong one.
        """
        if self._everyone is not None:
            return self._everyone
        offered = headers.get(b"x-portkey-api-key") or _bearer(headers.get(b"authorization", b""))
        digest = hashlib.sha256(offered).digest()
        found = None
        for key, tie in self._keys:
            if hmac.compare_digest(key, digest):
                found = tie
        if found is None or not offered:
            raise refuse(401, f"the API key is missing or wrong; send it as {KEY_HEADERS}")
        return found


def callers(settings: IngestSettings) -> list[tuple[bytes, Caller]]:
    """The configured keys, as digests, and their callers."""
    return [
        (digest(one), Caller(one.destination, name if one.source is None else one.source))
        for name, one in settings.ingest_keys.items()
    ]


def digest(key: IngestKey) -> bytes:
    """The SHA-256 digest of a key, which may have been configured as just that."""
    text = key.key.get_secret_value()
    if text.startswith(HASH_PREFIX):
        return bytes.fromhex(text.removeprefix(HASH_PREFIX))
    return hashlib.sha256(text.encode()).digest()


def check_exposure(settings: IngestSettings) -> None:
    """See that nobody but this machine can call when no key is wanted.

    Raises:
        InvalidSettings: the address is not a loopback one and there is no key.
    """
    if not settings.ingest_keys and not is_loopback(settings.ingest_host):
        raise InvalidSettings(
            f"FORWARDER_INGEST_HOST is {settings.ingest_host!r} and no key is configured, so anybody could send: "
            "set FORWARDER_INGEST_KEYS__NAME to a key, or listen on 127.0.0.1"
        )


def _bearer(authorization: bytes) -> bytes:
    if authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return b""
