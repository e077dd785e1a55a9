"""deploy/INTERNALS.md keeps up with what is there."""

import re
from pathlib import Path

from forwarder.settings import PREFIX, Settings

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "deploy" / "INTERNALS.md").read_text("utf-8")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def test_each_script_is_told_of_once() -> None:
    rows = re.findall(r"^\| (`.*?) \|", section("The scripts"), re.MULTILINE)
    told = [name for row in rows for name in re.findall(r"\w+", row)]

    assert sorted(told) == sorted(path.stem for path in (ROOT / "forwarder" / "queue" / "scripts").glob("*.lua"))


def test_each_part_that_is_named_is_there() -> None:
    parts = re.findall(r"`(forwarder|workers)/(\w+)`", section("The parts, in the order an event meets them"))

    assert len(parts) >= 10
    for package, name in parts:
        assert (ROOT / package / name).is_dir() or (ROOT / package / f"{name}.py").is_file(), name


def test_each_setting_that_is_named_is_there() -> None:
    named = {name.removeprefix(PREFIX).lower() for name in re.findall(rf"{PREFIX}[A-Z_]+", PAGE)}

    assert named
    assert named <= Settings.model_fields.keys()
