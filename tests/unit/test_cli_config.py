"""`config`, and warnings about variables that mean nothing."""

from pathlib import Path

import pytest
from typer.testing import CliRunner

from forwarder.cli.app import app
from forwarder.cli.context import known_variables, unknown_variables
from forwarder.operations.limits import Setting, listed
from forwarder.settings import NAMED, Settings, load_settings


@pytest.fixture(autouse=True)
def _clean(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def by_name(settings: Settings, origins: dict[str, str] | None = None) -> dict[str, Setting]:
    return {setting.name: setting for setting in listed(settings, origins or {})}


def test_every_setting_is_listed_with_a_description() -> None:
    shown = by_name(load_settings())

    assert set(shown) == set(known_variables()) - {f"FORWARDER_{group.upper()}" for group in NAMED}
    assert all(setting.description for setting in shown.values())


def test_secrets_are_masked() -> None:
    shown = by_name(
        load_settings(
            api_key="sk-secret",
            redis_url="redis://user:hunter2@host/0",
            control_url="redis://host/0?password=hunter2",
            destinations={"eu": {"api_key": "sk-other"}},
        )
    )

    assert "hunter2" not in str(shown)
    assert "sk-" not in str(shown)
    assert shown["FORWARDER_REDIS_URL"].value == "redis://user:********@host/0"
    assert shown["FORWARDER_DESTINATIONS__EU__API_KEY"].value == "********"


def test_only_what_a_destination_has_of_its_own_is_listed_for_it() -> None:
    shown = by_name(load_settings(destinations={"eu": {"batch_max_events": "7"}}))

    assert [name for name in shown if "__" in name] == ["FORWARDER_DESTINATIONS__EU__BATCH_MAX_EVENTS"]
    assert shown["FORWARDER_DESTINATIONS__EU__BATCH_MAX_EVENTS"].value == 7


def test_ranges_and_choices_are_shown() -> None:
    shown = by_name(load_settings())

    assert shown["FORWARDER_BATCH_MAX_EVENTS"].allowed == "an integer from 1 to 10000"
    assert shown["FORWARDER_AUTH_SCHEME"].allowed == "portkey | bearer"
    assert shown["FORWARDER_FEEDBACK_PATH"].allowed.startswith("text that matches ^/")


def test_the_origin_is_the_environment_before_dotenv(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".env").write_text("FORWARDER_WORKERS=2\nFORWARDER_MAX_DRAINS=2\n")
    monkeypatch.setenv("FORWARDER_MAX_DRAINS", "3")

    result = CliRunner().invoke(app, ["config"])

    rows = {line.split("\t")[0]: line.split("\t") for line in result.stdout.splitlines()}
    assert (rows["FORWARDER_WORKERS"][1], rows["FORWARDER_WORKERS"][4]) == ("2", ".env")
    assert (rows["FORWARDER_MAX_DRAINS"][1], rows["FORWARDER_MAX_DRAINS"][4]) == ("3", "environment")
    assert rows["FORWARDER_LOG_LEVEL"][4] == "default"


def test_a_wrong_value_is_one_line_that_names_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_WORKERS", "many")

    result = CliRunner().invoke(app, ["config"])

    assert result.exit_code == 1
    assert result.stderr.startswith("error: FORWARDER_WORKERS: ")


def test_a_misspelt_variable_is_a_warning_with_the_nearest_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_BATCH_MAX_EVENT", "5")

    result = CliRunner().invoke(app, ["config", "--json"])

    assert result.exit_code == 0
    assert result.stderr == (
        "warning: FORWARDER_BATCH_MAX_EVENT is not a setting; did you mean FORWARDER_BATCH_MAX_EVENTS?\n"
    )


@pytest.mark.parametrize("command", ["config", "status", "doctor"])
def test_a_file_of_settings_that_is_no_text_is_one_line(tmp_path: Path, command: str) -> None:
    (tmp_path / ".env").write_bytes(b"FORWARDER_API_KEY=caf\xe9\n")

    result = CliRunner().invoke(app, [command])

    assert result.exit_code in (1, 2)
    assert "the file .env of this folder cannot be read: it is not UTF-8" in result.output
    assert "defect" not in result.output


@pytest.mark.parametrize(
    ("name", "unknown"),
    [
        ("FORWARDER_REDIS_URL", False),
        ("forwarder_redis_url", False),
        ("FORWARDER_DESTINATIONS__EU__BASE_URL", False),
        ("FORWARDER_DESTINATION__EU__BASE_URL", True),
        ("FORWARDER_NONSENSE", True),
        ("OTHER", False),
    ],
)
def test_which_variables_mean_nothing(name: str, unknown: bool) -> None:  # noqa: FBT001 - a table
    assert unknown_variables([name]) == ([name] if unknown else [])
