"""What `doctor` shows."""

from collections.abc import Sequence

import typer

from forwarder.cli.context import settings_in_force
from forwarder.cli.output import console, is_terminal, json_out, line, printable
from forwarder.doctor.checks import judge
from forwarder.doctor.facts import Facts, gather, gather_without_settings
from forwarder.doctor.finding import Finding, Level, worst
from forwarder.errors import InvalidSettings
from forwarder.queue.rights import Role

_STYLES = {Level.OK: "green", Level.WARNING: "yellow", Level.FAULT: "bold red"}


def show(role: Role | None, *, as_json: bool) -> None:
    """Print all findings; exits with the worst level: 0, 1 for a warning, 2 for a fault."""
    findings = judge(_facts(), role)
    level = worst(findings)
    if as_json:
        json_out({"level": level.name.lower(), "findings": [finding.as_json() for finding in findings]})
    elif is_terminal():
        _colourful(findings)
    else:
        for finding in findings:
            for text in _lines(finding):
                line(text)
    raise typer.Exit(int(level))


def _facts() -> Facts:
    try:
        return gather(settings_in_force())
    except InvalidSettings as error:
        return gather_without_settings(error)


def _lines(finding: Finding) -> list[str]:
    told = [f"{finding.level.name.lower():8} {finding.check}: {finding.what}"]
    return told + ([f"         mend: {finding.mend}"] if finding.mend else [])


def _colourful(findings: Sequence[Finding]) -> None:
    screen = console()
    for finding in findings:
        first, *mend = _lines(finding)
        screen.print(printable(first), style=_STYLES[finding.level] if finding.level else None)
        for text in mend:
            screen.print(printable(text))
