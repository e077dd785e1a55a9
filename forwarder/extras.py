"""Optional parts: a clear line instead of a traceback when one is not installed."""

import sys
from importlib.util import find_spec
from typing import Final

from forwarder.errors import ForwarderError

EXTRAS: Final = {
    "cli": ("typer", "rich"),
    "worker": ("rq", "httpx_aiohttp", "uvloop"),
    "sandbox": ("aiohttp",),
    "ingest": ("uvicorn", "httptools", "uvloop", "prometheus_client"),
    "crypto": ("cryptography",),
    "console": ("starlette", "jinja2"),
    "otel": ("opentelemetry.sdk", "opentelemetry.exporter.otlp.proto.http"),
    "zstd": ("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd",),
}
"""A few modules by which each extra of pyproject.toml can be told."""


def require(extra: str) -> None:
    """See that an extra is installed.

    Raises:
        ForwarderError: it is not; says what to install.
    """
    for module in EXTRAS[extra]:
        if not _is_there(module):
            raise ForwarderError(
                f"{module} is missing, so this part is not installed: pip install 'feedback-forwarder[{extra}]', "
                "or [all] for everything"
            )


def is_installed(extra: str) -> bool:
    """Whether an extra is."""
    return all(_is_there(module) for module in EXTRAS[extra])


def zstd_is_there(choice: str) -> str:
    """A choice of a compression that this installation can make.

    Raises:
        ValueError: it is zstd, whose extra is not installed; says what to install.
    """
    if choice == "zstd":
        try:
            require("zstd")
        except ForwarderError as error:
            raise ValueError(str(error)) from None
    return choice


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # of a package that is not there itself
        return False
