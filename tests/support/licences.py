"""The licences of the run-time dependencies, by their own metadata; `python -m tests.support.licences` lists them."""

import re
from collections.abc import Iterable, Iterator
from importlib.metadata import PackageNotFoundError, metadata, requires
from pathlib import Path

from packaging.requirements import Requirement

FILE = Path(__file__).resolve().parents[2] / "deploy" / "LICENCES.md"
HEAD = """# Licences of the run-time dependencies
What `feedback-forwarder[all]` installs on Linux; written by `make licences` from the metadata of the packages.

| package | licence |
|---|---|
"""
SPDX = {
    "3-Clause BSD License": "BSD-3-Clause",
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "Dual License": "Apache-2.0 OR BSD-3-Clause",
    "ISC License": "ISC",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""How packages without an SPDX expression say it."""
KNOWN = {"httpx-aiohttp": "BSD-3-Clause", "valkey": "MIT", "uvloop": "MIT OR Apache-2.0"}
"""Packages whose metadata hold the text of the licence, or two ways to say it."""
PERMISSIVE = {
    "MIT",
    "MIT-0",
    "BSD",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "Apache-2.0",
    "ISC",
    "PSF-2.0",
    "MPL-2.0",
    "0BSD",
    "Unlicense",
}
"""Those that may be linked to and passed on with MIT code; MPL-2.0 asks for its own files alone."""


def installed(name: str = "feedback-forwarder", extras: Iterable[str] = ("all",)) -> dict[str, str]:
    """The licence of each package that is installed along, by name."""
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    waiting = [(name, frozenset(extras))]
    while waiting:
        package, wanted = waiting.pop()
        if (package, wanted) in seen:
            continue
        seen.add((package, wanted))
        try:
            needed = list(_needed(package, wanted))
        except PackageNotFoundError:
            continue  # for another platform
        waiting += needed
        found[package] = licence(package)
    found.pop(name)
    return dict(sorted(found.items()))


def licence(package: str) -> str:
    """Its licence."""
    if package in KNOWN:
        return KNOWN[package]
    about = metadata(package)
    classifiers = [
        one.rpartition(" :: ")[2] for one in about.get_all("Classifier") or [] if one.startswith("License ::")
    ]
    expressions = about.get_all("License-Expression") or about.get_all("License") or [""]
    said = expressions[0].partition("\n")[0].strip()
    return str(SPDX.get(said, said) or SPDX.get(classifiers[0], classifiers[0]))


def is_permissive(said: str) -> bool:
    """Whether each licence that must be kept is one that may be; of alternatives any will do."""
    alternatives = re.split(r"\s+OR\s+", said)
    return any(set(re.split(r"\s+AND\s+", one)) <= PERMISSIVE for one in alternatives)


def written() -> str:
    """The file as it should be."""
    return HEAD + "".join(f"| {package} | {said} |\n" for package, said in installed().items())


def _needed(package: str, extras: frozenset[str]) -> Iterator[tuple[str, frozenset[str]]]:
    for line in requires(package) or []:
        one = Requirement(line)
        if one.marker is None or any(one.marker.evaluate({"extra": extra}) for extra in extras or {""}):
            yield one.name.lower().replace("_", "-").replace(".", "-"), frozenset(one.extras)


if __name__ == "__main__":
    FILE.write_text(written())
