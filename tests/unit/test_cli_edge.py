"""The edge of the command line: what goes wrong ends as one line and a status; nothing reaches a terminal raw."""

import signal
import sys
from collections.abc import Callable

import pytest
import typer
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from forwarder.cli.app import app
from forwarder.cli.boundary import Boundary
from forwarder.cli.interrupts import Interrupts
from forwarder.cli.output import clipped, json_array_out, printable, table_out
from forwarder.errors import QueueFull, UsageError


def failing(error: BaseException) -> typer.Typer:
    program = typer.Typer(cls=Boundary)

    @program.callback()
    def _nothing() -> None: ...

    @program.command()
    def fail() -> None:
        raise error

    return program


@pytest.mark.parametrize(
    ("error", "status", "said"),
    [
        (QueueFull("full\nwait"), 1, "error: full\nerror: wait\n"),
        (UsageError("not so"), 2, "error: not so\n"),
        (KeyboardInterrupt(), 130, "interrupted\n"),
        (KeyboardInterrupt("moved 3"), 130, "moved 3\n"),
        (QueueFull("\x1b[31mred"), 1, "error: \\x1b[31mred\n"),
        (FileNotFoundError(2, "No such file", "x"), 1, "error: x: No such file\n"),
        (NotADirectoryError(20, "Not a directory", "x/y"), 1, "error: x/y: Not a directory\n"),
        (OSError(28, "No space left on device"), 1, "error: writing: No space left on device\n"),
    ],
)
def test_errors_become_lines(error: BaseException, status: int, said: str) -> None:
    result = CliRunner().invoke(failing(error), ["fail"])

    assert (result.exit_code, result.stderr) == (status, said)


def test_a_defect_is_one_line_and_its_traceback_is_there_when_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_LOG_LEVEL", "info")
    quiet = CliRunner().invoke(failing(ZeroDivisionError("by nought")), ["fail"])
    monkeypatch.setenv("FORWARDER_LOG_LEVEL", "debug")
    loud = CliRunner().invoke(failing(ZeroDivisionError("by nought")), ["fail"])

    assert (quiet.exit_code, loud.exit_code) == (70, 70)
    assert quiet.stderr.startswith("error: ZeroDivisionError: by nought")
    assert quiet.stderr.count("\n") == 1
    assert "Traceback" in loud.stderr


def commands() -> list[list[str]]:
    group = typer.main.get_command(app)
    letters = group.commands["dead-letters"]  # type: ignore[attr-defined]  # a group
    nested = [["dead-letters", name] for name in letters.commands]
    return [[name] for name in group.commands] + nested  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help_with_an_example(command: list[str]) -> None:
    result = CliRunner().invoke(app, [*command, "--help"])

    assert result.exit_code == 0
    assert "Example" in result.stdout


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (["status", "--jsn"], "error: No such option: --jsn"),
        (["stat"], "error: No such command 'stat'. Did you mean 'status'? (see `forwarder --help`)"),
        (["replay", "--limit", "0"], "error: Invalid value for '--limit'"),
        (["pause"], "error: Missing"),
        (["--nonsense"], "error: No such option: --nonsense"),
    ],
)
def test_wrong_usage_is_one_line(args: list[str], said: str) -> None:
    result = CliRunner().invoke(app, args, prog_name="forwarder")

    assert result.exit_code == 2
    assert result.stderr.startswith(said)
    assert result.stderr.count("\n") == 1


def test_no_command_shows_the_help() -> None:
    assert "dead-letters" in CliRunner().invoke(app, []).output


@given(st.text() | st.binary().map(lambda raw: raw.decode("utf-8", "surrogateescape")))
def test_printable_text_is_printable_and_says_the_same(text: str) -> None:
    shown = printable(text)

    assert shown.isprintable()
    assert not text.isprintable() or shown == text


def test_clipped_text_says_that_it_is() -> None:
    assert (clipped("abc", 3), clipped("abcd", 3)) == ("abc", "ab…")


@pytest.mark.parametrize(("items", "written"), [([], "[]\n"), ([1, {"a": "é"}], '[\n1,\n{"a": "\\u00e9"}\n]\n')])
def test_arrays_are_written_item_by_item(items: list[object], written: str, capsys: pytest.CaptureFixture[str]) -> None:
    json_array_out(items)

    assert capsys.readouterr().out == written


def test_a_table_in_a_pipe_is_plain(capsys: pytest.CaptureFixture[str]) -> None:
    table_out(["a", "b"], [[1_000, "x\ty"], [None, "[red]"]])

    assert capsys.readouterr().out == "a\tb\n1000\tx\\ty\n-\t[red]\n"


def test_a_table_on_a_terminal_shows_markup_as_text(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", "dumb")

    table_out(["amount", "text"], [[1_000, "[red]x\x1b[0m"]])

    out = capsys.readouterr().out
    assert "1,000" in out
    assert "[red]x\\x1b[0m" in out


def interrupted_while_held(then: Callable[[], None]) -> list[str]:
    seen = []
    with Interrupts() as interrupts:
        try:
            with interrupts.held():
                signal.raise_signal(signal.SIGINT)
                seen.append("step")
                then()
                seen.append("count")
        except KeyboardInterrupt:
            seen.append("interrupted")
    return seen


def test_an_interrupt_waits_for_the_step_and_its_counting() -> None:
    assert interrupted_while_held(lambda: None) == ["step", "count", "interrupted"]


def test_a_second_interrupt_does_not_wait() -> None:
    assert interrupted_while_held(lambda: signal.raise_signal(signal.SIGINT)) == ["step", "interrupted"]


def test_an_interrupt_outside_a_step_is_one_at_once() -> None:
    before = signal.getsignal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt), Interrupts():
        signal.raise_signal(signal.SIGINT)

    assert signal.getsignal(signal.SIGINT) is before
