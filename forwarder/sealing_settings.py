"""The variables by which bodies are sealed while they wait."""

from pathlib import Path
from typing import Self

from pydantic import BaseModel, Field, SecretStr, model_validator

from forwarder.errors import InvalidSettings


class SealingSettings(BaseModel):
    """Keys of the queue, not of the upstream."""

    queue_key: SecretStr | None = Field(
        None, description="seals events on the queue: 32 bytes in base64; older keys after commas are still read"
    )
    queue_key_file: Path | None = Field(None, description="a file that holds it instead")

    @model_validator(mode="after")
    def _one(self) -> Self:
        if self.queue_key is not None and self.queue_key_file is not None:
            raise ValueError("FORWARDER_QUEUE_KEY and FORWARDER_QUEUE_KEY_FILE are both set: keep one of them")
        return self

    @property
    def queue_keys(self) -> str:
        """What is configured; empty when nothing is sealed.

        Raises:
            InvalidSettings: the file cannot be read.
        """
        if self.queue_key_file is None:
            return "" if self.queue_key is None else self.queue_key.get_secret_value()
        try:
            return self.queue_key_file.read_text("ascii").strip()
        except (OSError, UnicodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not ASCII"
            raise InvalidSettings(f"FORWARDER_QUEUE_KEY_FILE {self.queue_key_file} cannot be read: {reason}") from None
