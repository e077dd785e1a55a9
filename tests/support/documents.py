"""The commands of the documents in deploy/, as they stand there."""

import re

from tests.support.sandbox import ROOT


def commands(document: str, heading: str) -> list[str]:
    """The shell blocks below a heading, up to the next heading of its rank.

    Args:
        document: its path in deploy/.
        heading: its text.
    """
    text = (ROOT / "deploy" / document).read_text()
    (section,) = re.findall(rf"^## {re.escape(heading)}\n(.*?)(?=^## |\Z)", text, re.DOTALL | re.MULTILINE)
    blocks: list[str] = re.findall(r"```sh\n(.*?)```", section, re.DOTALL)
    return blocks


def example(name: str) -> str:
    """The Python block of README.md whose first line is a comment with this name."""
    text = (ROOT / "deploy" / "README.md").read_text()
    blocks = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (found,) = [block for block in blocks if block.splitlines()[0] == f"# {name}"]
    return str(found)
