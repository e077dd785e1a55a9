"""Passwords and tokens as hashes: scrypt for what people remember, SHA-256 for what was drawn at random."""

import base64
import hashlib
import hmac
import secrets
from typing import Final

from forwarder.console_settings import SCRYPT_PREFIX
from forwarder.named_settings import HASH_PREFIX

LOG_N: Final = 15
R: Final = 8
P: Final = 1
"""32 MiB and some 80 ms for each try, as OWASP has it for r=8, one step below for the sake of small machines."""
_SALT_BYTES: Final = 16
_KEY_BYTES: Final = 32
PASSWORD_MIN_LENGTH: Final = 10
PASSWORD_MAX_BYTES: Final = 1_024


def hash_password(password: str) -> str:
    """`scrypt:LOG2_N:R:P:SALT:KEY`; no sign in it that a shell or a .env file would read as its own."""
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _scrypt(password, salt, LOG_N, R, P)
    return f"{SCRYPT_PREFIX}{LOG_N}:{R}:{P}:{_text(salt)}:{_text(key)}"


def is_password(password: str, hashed: str) -> bool:
    """Whether a password is the one that was hashed; takes the same time for a wrong one."""
    _, log_n, r, p, salt, key = hashed.split(":")
    return hmac.compare_digest(_scrypt(password, _bytes(salt), int(log_n), int(r), int(p)), _bytes(key))


def new_token() -> str:
    """A token that nobody guesses."""
    return secrets.token_urlsafe(32)


def hash_token(token: str) -> str:
    """`sha256:` and the digest."""
    return HASH_PREFIX + hashlib.sha256(token.encode("utf-8", "replace")).hexdigest()


def proof(hashed: str) -> str:
    """Tells a hash from others without being one."""
    return hashlib.sha256(hashed.encode()).hexdigest()[:32]


def _scrypt(password: str, salt: bytes, log_n: int, r: int, p: int) -> bytes:
    memory = 128 * r * 2**log_n * 2
    return hashlib.scrypt(
        password.encode("utf-8", "replace"), salt=salt, n=2**log_n, r=r, p=p, maxmem=memory, dklen=_KEY_BYTES
    )


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _bytes(text: str) -> bytes:
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
