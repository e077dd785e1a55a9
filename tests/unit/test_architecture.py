"""What the design says of the code as a whole, read from the code."""

import ast
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
MODULES = sorted(path for package in ("forwarder", "workers") for path in (ROOT / package).rglob("*.py"))
SCRIPTS = sorted((ROOT / "forwarder" / "queue" / "scripts").glob("*.lua"))

MODULE_MAX_LINES = 300
FUNCTION_MAX_LINES = 40

PURE = (
    *("forwarder.feedback", "forwarder.flaws", "forwarder.parts"),
    *("workers.batch", "workers.admit", "workers.verdict", "workers.backoff", "workers.outcome", "workers.hints"),
    *("workers.flow", "workers.breaker", "workers.concurrency", "workers.sizing", "workers.report"),
    *("forwarder.queue.accepted", "forwarder.queue.histograms"),
    *("forwarder.console.charts", "forwarder.console.shown"),
    *("forwarder.client.event", "forwarder.client.buffer", "forwarder.client.outcome", "forwarder.client.trouble"),
)
IMPURE = {"redis", "httpx", "aiohttp", "time", "asyncio", "rq", "socket", "random", "structlog", "os"}
QUEUE_VALUES = {"forwarder.queue.stream", "forwarder.queue.settlement", "forwarder.queue.dead_letters"}
QUEUE_VALUES |= {"forwarder.queue.accepted", "forwarder.queue.flow", "forwarder.queue.chunk", "forwarder.queue.history"}
QUEUE_VALUES |= {"forwarder.queue.entry_ids"}
"""Modules of the queue whose dataclasses a pure module may name."""

LAZY = ("httpx", "aiohttp", "rq", "typer", "rich", "uvloop")
"""What a mere producer must not pay for."""
FIRST_USED = ("redis", "pydantic", "pydantic_settings", "sqlite3")
"""What importing the client leaves to the first client that is made."""


def named(path: Path) -> str:
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports(path: Path) -> Iterator[str]:
    """Every module that a file imports, anywhere in it."""
    for node in ast.walk(ast.parse(path.read_text("utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno} imports relatively"
            assert node.module
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def top(module: str) -> str:
    return module.partition(".")[0]


@pytest.fixture(params=MODULES, ids=named)
def module(request: pytest.FixtureRequest) -> Path:
    path: Path = request.param
    return path


def test_there_is_something_to_read() -> None:
    assert {"forwarder.feedback", "workers.dispatch"} <= {named(path) for path in MODULES}
    assert len(SCRIPTS) >= 10
    assert "asyncio" in set(imports(ROOT / "workers" / "dispatch.py"))


def test_the_forwarder_never_imports_the_workers(module: Path) -> None:
    if top(named(module)) == "forwarder":
        assert "workers" not in {top(name) for name in imports(module)}


@pytest.mark.parametrize("name", PURE)
def test_a_pure_module_knows_neither_redis_nor_http_nor_the_clock(name: str) -> None:
    used = set(imports(ROOT / Path(*name.split(".")).with_suffix(".py")))
    assert {top(each) for each in used} & IMPURE == set()
    of_queue = {each for each in used if each.startswith("forwarder.queue.")}
    assert all(each.startswith(tuple(QUEUE_VALUES)) for each in of_queue)


def test_only_the_queue_speaks_redis(module: Path) -> None:
    """Others may catch its errors; RQ's classes name the connection's type, `forwarder up` watches over its server."""
    if not named(module).startswith(("forwarder.queue", "forwarder.embedded", "workers.rq_classes")):
        used = {name for name in imports(module) if top(name) == "redis"}
        assert all(name.startswith("redis.exceptions") for name in used)


def test_nothing_in_the_queue_points_up(module: Path) -> None:
    below = {
        "forwarder.clock",
        "forwarder.errors",
        "forwarder.extras",
        "forwarder.feedback",
        "forwarder.flaws",
        "forwarder.paths",
        "forwarder.redis_settings",
        "forwarder.settings",
    }
    if named(module).startswith("forwarder.queue"):
        ours = {name for name in imports(module) if top(name) == "forwarder"}
        assert all(name.startswith(("forwarder.queue", *below)) for name in ours)


def test_a_producer_that_uses_every_public_name_pays_for_no_http_rq_or_terminal() -> None:
    code = (
        "import sys, json, forwarder\n"
        "for name in forwarder.__all__: getattr(forwarder, name)\n"
        "print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = json.loads(done.stdout)
    assert "msgspec" in loaded
    assert set(LAZY) & set(loaded) == set()


def test_importing_the_client_imports_no_more_than_it_takes_to_define_it() -> None:
    code = "import sys, json\nfrom forwarder import AsyncFeedbackClient, FeedbackClient\n"
    code += "print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(json.loads(done.stdout)) & {*LAZY, *FIRST_USED} == set()


def test_a_module_fits_its_reader(module: Path) -> None:
    assert len(module.read_text("utf-8").splitlines()) <= MODULE_MAX_LINES


def test_a_function_fits_a_screen(module: Path) -> None:
    for node in ast.walk(ast.parse(module.read_text("utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            first = node.body[0]
            documented = ast.get_docstring(node) is not None
            docstring = (first.end_lineno or 0) - first.lineno + 1 if documented else 0
            lines = (node.end_lineno or 0) - node.lineno + 1 - docstring
            assert lines <= FUNCTION_MAX_LINES, f"{named(module)}.{node.name} has {lines} lines"


def test_a_module_says_what_it_is_for(module: Path) -> None:
    text = module.read_text("utf-8")
    assert module.name == "__main__.py" or not text.strip() or ast.get_docstring(ast.parse(text))


# Scripts


@pytest.fixture(params=SCRIPTS, ids=lambda path: path.stem)
def script(request: pytest.FixtureRequest) -> str:
    path: Path = request.param
    return path.read_text("utf-8")


def test_a_script_declares_its_engine_and_flags_on_its_first_line(script: str) -> None:
    assert re.match(r"#!lua( flags=[a-z,-]+)?\n", script)


def header(text: str) -> str:
    """The comment that a script begins with, after its first line."""
    lines = text.splitlines()[1:]
    end = next(at for at, line in enumerate(lines) if not line.startswith("--"))
    return "\n".join(lines[:end])


def test_a_script_says_what_it_does_what_it_takes_and_what_it_returns(script: str) -> None:
    assert "Returns" in header(script)
    assert "KEYS[1]" in header(script)
    assert ("ARGV" in header(script)) == bool(re.search("^[^-].*ARGV", script, re.MULTILINE))


def test_each_key_and_argument_that_a_script_names_by_number_is_documented(script: str) -> None:
    numbered = re.compile(r"(?:KEYS|ARGV)\[\d+")
    code = "\n".join(line for line in script.splitlines() if not line.startswith("--"))
    assert set(numbered.findall(code)) <= set(numbered.findall(header(script)))


def test_each_script_is_run_by_somebody_and_each_step_has_its_script() -> None:
    steps = set()
    for path in MODULES:
        steps |= set(re.findall(r'Step(?:\[[^(]*\])?\("(\w+)"', path.read_text("utf-8")))
        steps |= set(re.findall(r'= Step\(\s*"(\w+)"', path.read_text("utf-8")))
    assert steps == {path.stem for path in SCRIPTS}
