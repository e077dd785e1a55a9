"""Every event that the code logs is in deploy/LOGS.md, with its level and fields, and nothing else is."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import pytest

from forwarder.queue.notices import KINDS
from tests.support.log_events import listed_events, listed_fields
from tests.support.sandbox import ROOT
from workers import trouble

LEVELS = {"debug": "debug", "info": "info", "warning": "warning", "error": "error", "exception": "error"}
SENTENCES = {"forwarder/client", "forwarder/forks.py"}
"""They log to the standard library, in programs of others."""
NAMED_ELSEWHERE = {
    "kind": {trouble.FULL, "redis_away", "redis_refuses"},
    "missed": {"beat_missed", "sweep_missed"},
    "f'notice_{notice.kind}'": {f"notice_{kind}" for kind in KINDS},
}
"""Expressions that stand for events, and those events."""
MODULES = [
    path
    for package in ("forwarder", "workers")
    for path in sorted((ROOT / package).rglob("*.py"))
    if not any(str(path.relative_to(ROOT)).startswith(start) for start in SENTENCES)
]


def calls(path: Path) -> Iterator[tuple[str, str, set[str], int]]:
    """Event, level, fields and line of all that a module logs through structlog."""
    for node in ast.walk(ast.parse(path.read_text())):
        if not (isinstance(node, ast.Call) and node.args and isinstance(node.func, ast.Attribute | ast.Name)):
            continue
        name = node.func.attr if isinstance(node.func, ast.Attribute) else node.func.id
        logger = ast.unparse(node.func.value) if isinstance(node.func, ast.Attribute) else name
        if name not in {*LEVELS, "level"} or not re.search(r"(^|\.|_)(log|level|get_logger\(.*\))$", logger):
            continue
        if logger == "self.log":
            continue  # self.log is RQ's own
        fields = {keyword.arg for keyword in node.keywords if keyword.arg not in (None, "exc_info")}
        what = node.args[0]
        events = {what.value} if isinstance(what, ast.Constant) else NAMED_ELSEWHERE[ast.unparse(what)]
        for event in events:
            yield str(event), LEVELS.get(name, ""), {str(field) for field in fields}, node.lineno


LOGGED = [(path, *call) for path in MODULES for call in calls(path)]


def test_every_event_of_the_code_is_listed_with_its_level() -> None:
    listed, levels = listed_events(), defaultdict(set)
    for path, event, level, _, line in LOGGED:
        assert event in listed, f"{path}:{line} logs {event}; deploy/LOGS.md needs a row for it"
        levels[event].add(level or listed[event].level)
    assert {event: {one.level} for event, one in listed.items() if event in levels} == levels


def test_every_field_of_the_code_is_listed() -> None:
    listed = listed_events()
    for path, event, _, fields, line in LOGGED:
        assert fields <= listed[event].fields, f"{path}:{line}: {event} in deploy/LOGS.md lacks a field"


def test_nothing_is_listed_that_is_not_logged() -> None:
    assert set(listed_events()) == {event for _, event, *_ in LOGGED}


def test_the_names_are_of_one_form_and_the_list_in_order() -> None:
    names = list(listed_events())
    assert names == sorted(names)
    assert all(re.fullmatch(r"[a-z]+(_[a-z]+)*", name) for name in names)


@pytest.mark.parametrize("event", listed_events())
def test_each_field_means_one_thing(event: str) -> None:
    assert listed_events()[event].fields <= set(listed_fields())
