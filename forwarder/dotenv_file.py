"""The file `.env` of the current folder, as everybody here reads it."""

from typing import Final

from dotenv import dotenv_values

from forwarder.errors import InvalidSettings

DOTENV: Final = ".env"


def dotenv_variables() -> dict[str, str | None]:
    """What it sets; nothing when there is no such file.

    Raises:
        InvalidSettings: it cannot be read.
    """
    try:
        return dotenv_values(DOTENV)
    except (OSError, UnicodeDecodeError) as error:
        raise unreadable_dotenv(error) from None


def unreadable_dotenv(error: OSError | UnicodeDecodeError) -> InvalidSettings:
    """What its reader raised, as an error that says what to mend."""
    reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
    return InvalidSettings(f"the file {DOTENV} of this folder cannot be read: {reason}")
