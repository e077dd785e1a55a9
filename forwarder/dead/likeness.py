"""Errors that are alike: the same text but for quoted values, ids and numbers (pure)."""

import re
from functools import lru_cache
from typing import Final

KEPT_MAX: Final = 10_000
"""Texts whose likeness is remembered."""

_DIGITS: Final = dict.fromkeys(range(ord("0"), ord("9") + 1), "0")
_VARYING: Final = (
    (re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE), "ID"),
    (re.compile(r"\"[^\"]*\"|'[^']*'|`[^`]*`"), "…"),
    (re.compile(r"\b(?=[a-f]*\d)(?=\d*[a-f])[0-9a-f]{8,}\b", re.IGNORECASE), "ID"),
    (re.compile(r"\d+(?:[.,]\d+)*"), "N"),
)


def normalised(error: str) -> str:
    """An error text without what varies: quoted values, ids and numbers."""
    return _normalised(error.translate(_DIGITS))  # which digit it is makes no difference, so that few texts are left


@lru_cache(maxsize=KEPT_MAX)
def _normalised(error: str) -> str:
    for varying, sign in _VARYING:
        error = varying.sub(sign, error)
    return " ".join(error.split())
