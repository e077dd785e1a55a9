"""Bodies sealed with AES-256-GCM: whoever reads Redis, its files or its backups reads none of them.

A sealed body names its key, so that keys can be rotated: the first of FORWARDER_QUEUE_KEY seals, all of them open.
`cryptography` does the work: audited, and kept by the Python Cryptographic Authority.
"""

import base64
import hashlib
import os
from typing import Final

from forwarder.errors import InvalidSettings
from forwarder.queue.codec import DamagedBody, UnreadableBody

PREFIX: Final = "aesgcm:"
KEY_BYTES: Final = 32
NONCE_BYTES: Final = 12
"""Random; with the 2**32 bodies that one key may seal, the chance that two are alike is below one in 2**32."""


def key_id(key: bytes) -> str:
    """By which a sealed body names its key, without telling anything of it."""
    return hashlib.sha256(b"feedback-forwarder key id:" + key).hexdigest()[:8]


def parse_keys(text: str) -> list[bytes]:
    """The keys of FORWARDER_QUEUE_KEY.

    Args:
        text: 32 bytes in base64 each, with commas between them.

    Raises:
        ValueError: one of them is none; says which, not what it is.
    """
    keys = []
    for number, word in enumerate(text.replace("\n", ",").split(","), 1):
        if not word.strip():
            continue
        try:
            key = base64.b64decode(word.strip().translate(str.maketrans("-_", "+/")), validate=True)
        except ValueError:
            key = b""
        if len(key) != KEY_BYTES:
            raise ValueError(f"key {number} must be 32 bytes in base64, as `openssl rand -base64 32` makes them")
        keys.append(key)
    if not keys:
        raise ValueError("must hold a key: 32 bytes in base64, as `openssl rand -base64 32` makes them")
    return keys


class Sealed:
    """The form.

    Args:
        keys: the first seals.

    Raises:
        InvalidSettings: the library is not installed.
    """

    def __init__(self, keys: list[bytes]) -> None:
        try:
            from cryptography.hazmat.primitives.ciphers.aead import AESGCM  # noqa: PLC0415 - an extra
        except ImportError:
            raise InvalidSettings(
                "FORWARDER_QUEUE_KEY needs cryptography: pip install 'feedback-forwarder[crypto]'"
            ) from None
        self._ciphers = {PREFIX + key_id(key): AESGCM(key) for key in keys}
        self.name = PREFIX + key_id(keys[0])

    def write(self, plain: bytes) -> bytes:
        """Seal."""
        nonce = os.urandom(NONCE_BYTES)
        return nonce + self._ciphers[self.name].encrypt(nonce, plain, self.name.encode())

    def read(self, name: str, data: bytes) -> bytes | None:
        """Open.

        Raises:
            UnreadableBody: the key is not one of ours.
            DamagedBody: the body was changed since it was sealed.
        """
        from cryptography.exceptions import InvalidTag  # noqa: PLC0415 - as above

        if not name.startswith(PREFIX):
            return None
        if name not in self._ciphers:
            raise UnreadableBody(
                f"it is sealed with key {name.removeprefix(PREFIX)}, which FORWARDER_QUEUE_KEY has not"
            )
        try:
            return self._ciphers[name].decrypt(data[:NONCE_BYTES], data[NONCE_BYTES:], name.encode())
        except (InvalidTag, ValueError):
            raise DamagedBody("it was changed since it was sealed") from None
