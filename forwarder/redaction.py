"""What must never leave this program: which texts those are, and how a text is freed of them."""

import re
from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, unquote_plus, urlsplit

from forwarder.errors import InvalidSettings
from forwarder.key_settings import MASKED_FROM
from forwarder.named_settings import HASH_PREFIX

if TYPE_CHECKING:
    from forwarder.settings import Settings

_IN_QUERY: Final = re.compile(r"(?:^|&)(?:sentinel_)?password=([^&]*)")


def known_secrets(settings: "Settings") -> list[str]:
    """The secrets of all settings that are long enough to be told from other words; the longest first."""
    found = {secret for secret in _all(settings) if len(secret) >= MASKED_FROM}
    return sorted(found, key=lambda secret: (-len(secret), secret))


def _all(settings: "Settings") -> Iterator[str]:
    for name in settings.destination_names:
        with suppress(InvalidSettings):  # a key file that cannot be read holds nothing that we could tell
            yield settings.upstream(name).key
    if settings.webhook_secret is not None:
        yield settings.webhook_secret.get_secret_value()
    for key in settings.ingest_keys.values():
        if not key.key.get_secret_value().startswith(HASH_PREFIX):
            yield key.key.get_secret_value()
    with suppress(InvalidSettings):
        yield from (key.strip() for key in settings.queue_keys.replace("\n", ",").split(","))
    yield from _passwords([settings.redis_url, settings.control_url or "", settings.webhook_url or ""])


def _passwords(urls: Iterable[str]) -> Iterator[str]:
    """Of URLs, wherever redis-py or we would read them from: as they are written, and as they are meant."""
    for url in urls:
        parts = urlsplit(url)
        for password in (parts.password or "", *_IN_QUERY.findall(parts.query)):
            yield from (password, unquote(password), unquote_plus(password))
