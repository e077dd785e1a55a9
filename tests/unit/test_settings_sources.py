"""Where settings come from: the environment, .env, arguments, and one destination's own."""

from pathlib import Path

import pytest

from forwarder.errors import InvalidSettings
from forwarder.settings import load_settings, scope_of
from forwarder.upstream_settings import Upstream
from tests.support.refusals import SECRET, refusal

# Where they come from


def test_the_environment_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_BATCH_MAX_EVENTS", "7")
    monkeypatch.setenv("FORWARDER_API_KEY", SECRET)
    settings = load_settings()
    assert settings.batch_max_events == 7
    assert settings.api_key is not None
    assert settings.api_key.get_secret_value() == SECRET


def test_arguments_win_over_the_environment_and_that_over_dotenv(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".env").write_text("FORWARDER_WORKERS=2\nFORWARDER_MAX_DRAINS=2\nFORWARDER_SANDBOX_PORT=2\nOTHER=x\n")
    monkeypatch.setenv("FORWARDER_MAX_DRAINS", "3")
    monkeypatch.setenv("FORWARDER_SANDBOX_PORT", "3")
    settings = load_settings(sandbox_port=4)
    assert (settings.workers, settings.max_drains, settings.sandbox_port) == (2, 3, 4)


def test_a_file_that_is_no_text_is_told(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"FORWARDER_API_KEY=caf\xe9\n")
    assert refusal() == "the file .env of this folder cannot be read: it is not UTF-8"


def test_destinations_are_read_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_DESTINATIONS__EU__BASE_URL", "https://eu.example.org/v1/")
    monkeypatch.setenv("FORWARDER_DESTINATIONS__EU__BATCH_MAX_EVENTS", "9")
    upstream = load_settings().upstream("eu")
    assert upstream.url == "https://eu.example.org/v1/feedback/"
    assert upstream.batch_max_events == 9


def test_destinations_that_are_not_json_are_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_DESTINATIONS", f'{{"eu": {{"api_key": "{SECRET}"')
    message = refusal()
    assert "destinations" in message
    assert SECRET not in message


# Destinations


def test_a_destination_inherits_what_it_does_not_set_and_overrides_what_it_does() -> None:
    settings = load_settings(
        api_key=SECRET,
        batch_max_events=100,
        destinations={
            "eu": {"base_url": "https://eu.example.org", "retry_max_attempts": 3},
            "us": {"api_key": "other"},
        },
    )
    eu, us = settings.upstream("eu"), settings.upstream("us")
    assert (eu.base_url, eu.retry_max_attempts, eu.batch_max_events) == ("https://eu.example.org", 3, 100)
    assert eu.api_key == settings.api_key
    assert us.api_key is not None
    assert us.api_key.get_secret_value() == "other"
    assert us.base_url == settings.base_url
    assert settings.destination_names == ["default", "eu", "us"]


def test_the_default_destination_has_the_common_settings_and_may_override_them() -> None:
    common = {name: getattr(load_settings(workers=1), name) for name in Upstream.model_fields}
    assert load_settings().upstream("default") == Upstream(**common)
    settings = load_settings(destinations={"default": {"batch_max_events": 3}, "eu": {}})
    assert settings.upstream("default").batch_max_events == 3
    assert settings.upstream("eu").batch_max_events == 500
    assert settings.destination_names == ["default", "eu"]


def test_an_unknown_destination_is_refused_with_the_known_ones() -> None:
    with pytest.raises(InvalidSettings, match="'asia' is not configured; known are: default, eu"):
        load_settings(destinations={"eu": {}}).upstream("asia")


def test_a_wrong_value_of_a_destination_is_named_by_its_own_variable() -> None:
    message = refusal(destinations={"eu": {"batch_max_events": 0}})
    assert message.startswith("FORWARDER_DESTINATIONS__EU__BATCH_MAX_EVENTS: ")


def test_what_is_no_setting_of_a_destination_is_refused_with_those_that_are() -> None:
    message = refusal(destinations={"eu": {"redis_url": "redis://h"}})
    assert message.startswith("FORWARDER_DESTINATIONS__EU__REDIS_URL: is not a setting of a destination")
    assert "base_url" in message


@pytest.mark.parametrize("name", ["EU", "", "-eu", "e.u", "e u", "x" * 64])
def test_a_destination_name_that_would_not_fit_a_key_is_refused(name: str) -> None:
    assert refusal(destinations={name: {}}).startswith("FORWARDER_DESTINATIONS")


# Where the variables of a destination are


@pytest.mark.parametrize(("destination", "scope"), [("default", "FORWARDER_"), ("eu", "FORWARDER_DESTINATIONS__EU__")])
def test_the_variables_of_a_destination_begin_with_its_name(destination: str, scope: str) -> None:
    assert scope_of(destination) == scope
