"""The forms that the settings ask for."""

from forwarder.errors import InvalidSettings
from forwarder.queue.codec import PLAIN, BodyCodec, Form
from forwarder.queue.packing import NAME, PACKED
from forwarder.settings import Settings


def codec_for(settings: Settings) -> BodyCodec:
    """How bodies stand on the queue of these settings.

    Raises:
        InvalidSettings: a key is none, or what a form needs is not installed.
    """
    forms = [*_packed(settings), *_sealed(settings)]
    return BodyCodec(forms) if forms else PLAIN


def _packed(settings: Settings) -> list[Form]:
    return [PACKED] if settings.queue_compression == NAME else []


def _sealed(settings: Settings) -> list[Form]:
    keys = settings.queue_keys
    if not keys and settings.queue_key is None and settings.queue_key_file is None:
        return []
    from forwarder.queue.sealing import Sealed, parse_keys  # noqa: PLC0415 - who seals nothing need not pay for it

    try:
        return [Sealed(parse_keys(keys))]
    except ValueError as error:
        variable = "FORWARDER_QUEUE_KEY" if settings.queue_key_file is None else "FORWARDER_QUEUE_KEY_FILE"
        raise InvalidSettings(f"{variable}: {error}") from None
