"""The examples of the README, as they stand there."""

import re

from tests.support.sandbox import ROOT


def example(name: str) -> str:
    """The code block whose first line is a comment with this name."""
    blocks = re.findall(r"```(?:python|js)\n(.*?)```", (ROOT / "README.md").read_text("utf-8"), re.DOTALL)
    found: str
    (found,) = [block for block in blocks if block.splitlines()[0].lstrip("#/ ") == name]
    return found
