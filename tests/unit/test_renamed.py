"""Variables under their former names."""

import warnings
from pathlib import Path

import pytest
from typer.testing import CliRunner

from forwarder.cli.app import app
from forwarder.errors import InvalidSettings
from forwarder.renamed import RENAMED, former_values
from forwarder.settings import PREFIX, Settings, load_settings


def test_each_former_name_is_none_any_more_and_the_present_one_is() -> None:
    assert set(RENAMED) & set(Settings.model_fields) == set()
    assert set(RENAMED.values()) <= set(Settings.model_fields)


def test_a_former_name_is_taken_and_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_PAUSE_S", "7")
    with pytest.warns(FutureWarning, match="FORWARDER_PAUSE_S is now called FORWARDER_PAUSE_MIN_S"):
        assert load_settings().pause_min_s == 7


def test_it_is_taken_from_the_env_file_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("forwarder_pause_s=8\n")
    with pytest.warns(FutureWarning):
        assert load_settings().pause_min_s == 8


def test_the_present_name_wins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_PAUSE_S", "7")
    monkeypatch.setenv("FORWARDER_PAUSE_MIN_S", "9")
    with pytest.warns(FutureWarning):
        assert load_settings().pause_min_s == 9


def test_a_wrong_value_is_told_under_the_name_that_it_should_have(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_PAUSE_S", "long")
    with pytest.warns(FutureWarning), pytest.raises(InvalidSettings, match=r"^FORWARDER_PAUSE_MIN_S: "):
        load_settings()


def test_nothing_is_told_when_nothing_is_set() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert former_values({"FORWARDER_WORKERS": "1", "OTHER": None}, PREFIX) == {}


def test_a_command_says_it_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_PAUSE_S", "7")
    done = CliRunner().invoke(app, ["config"])
    assert done.stderr == (
        "warning: FORWARDER_PAUSE_S is now called FORWARDER_PAUSE_MIN_S: rename it, it will not be known for ever\n"
    )
