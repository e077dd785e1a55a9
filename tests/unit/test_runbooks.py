"""Every alert leads to a runbook, and every runbook's variables and commands exist."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from forwarder.cli.app import app
from forwarder.settings import PREFIX, Settings
from tests.support.sandbox import ROOT

RUNBOOKS = (ROOT / "deploy" / "RUNBOOKS.md").read_text()
RULES = (ROOT / "deploy" / "prometheus" / "rules.yml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)
DEPLOY = sorted(path for path in (ROOT / "deploy").rglob("*") if path.is_file())
DOCUMENTS = [path for path in DEPLOY if path.suffix == ".md"]
FILES = [path for path in DEPLOY if path.suffix in {".yaml", ".yml", ".service", ".env", ".tpl"} or path.suffix == ""]


def named(path: Path) -> str:
    return str(path.relative_to(ROOT))


def test_each_alert_has_a_runbook_and_each_runbook_an_alert() -> None:
    assert len(ALERTS) > 10
    assert re.findall(r"^## (\w+)$", RUNBOOKS, re.MULTILINE) == ALERTS
    assert re.findall(r"runbook_url: (\S+)", RULES) == [f"deploy/RUNBOOKS.md#{name.lower()}" for name in ALERTS]


def test_each_alert_has_a_test() -> None:
    tests = (ROOT / "deploy" / "prometheus" / "rules_test.yml").read_text()
    fired = re.findall(r"alertname: (\w+)\n\s+exp_alerts:\n", tests)
    assert sorted(fired) == sorted(ALERTS)


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_links_lead_somewhere(document: Path) -> None:
    for path, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)", document.read_text()):
        target = document.parent / path if path else document
        assert target.exists(), path
        if anchor:
            assert anchor in anchors(target.read_text())


@pytest.mark.parametrize("file", [*DOCUMENTS, *FILES], ids=named)
def test_variables_that_are_named_are_settings(file: Path) -> None:
    known = {f"{PREFIX}{name.upper()}" for name in Settings.model_fields}
    for name in re.findall(r"FORWARDER_[A-Z0-9_]*[A-Z0-9]", file.read_text()):
        assert name.partition("__")[0] in known, name


@pytest.mark.parametrize("document", DOCUMENTS, ids=named)
def test_commands_that_are_named_are_commands(document: Path) -> None:
    commands: Any = get_command(app)
    for words in re.findall(r"(?:^|`)forwarder ([a-z-]+)(?: ([a-z-]+))?", document.read_text(), re.MULTILINE):
        command = commands.commands[words[0]]
        if words[1] and hasattr(command, "commands") and not command.invoke_without_command:
            assert words[1] in command.commands


def anchors(text: str) -> list[str]:
    """What the headings can be reached by."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    return [re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings]
