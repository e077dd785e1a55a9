"""The key of an upstream: from a setting or a file, over TLS unless it is told otherwise."""

from pathlib import Path

import pytest

from forwarder.errors import InvalidSettings
from forwarder.settings import load_settings
from workers import key as key_module
from workers.key import Key


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "key"
    path.write_text("sk-of-the-file\n")
    return path


def replace(path: Path, text: str) -> None:
    """As an operator does: another file in its place."""
    new = path.with_suffix(".new")
    new.write_text(text)
    new.rename(path)


def test_a_key_comes_from_a_file_without_the_space_around_it(file: Path) -> None:
    assert load_settings(api_key_file=file).upstream("default").key == "sk-of-the-file"


def test_two_keys_are_one_too_many(file: Path) -> None:
    with pytest.raises(InvalidSettings, match="FORWARDER_API_KEY and FORWARDER_API_KEY_FILE are both set"):
        load_settings(api_key="sk-1", api_key_file=file)


def test_a_destination_with_a_key_of_its_own_inherits_none(file: Path) -> None:
    with_file = load_settings(api_key="sk-common", destinations={"eu": {"api_key_file": str(file)}})
    assert (with_file.upstream("default").key, with_file.upstream("eu").key) == ("sk-common", "sk-of-the-file")
    with_key = load_settings(api_key_file=file, destinations={"eu": {"api_key": "sk-own"}, "us": {}})
    assert (with_key.upstream("eu").key, with_key.upstream("us").key) == ("sk-own", "sk-of-the-file")


def test_a_file_that_holds_no_key_is_named(tmp_path: Path) -> None:
    path = tmp_path / "key"
    upstream = load_settings(api_key_file=path).upstream("default")
    with pytest.raises(InvalidSettings, match=f"{path}.*No such file"):
        _ = upstream.key
    for text in ("", "two words", "schlüssel"):
        path.write_text(text)
        with pytest.raises(InvalidSettings, match=str(path)) as refused:
            _ = upstream.key
        assert "words" not in str(refused.value)


@pytest.mark.parametrize("url", ["http://api.example.org/v1", "http://10.0.0.7:8080", "http://[2001:db8::1]/v1"])
def test_events_and_keys_do_not_travel_in_the_clear_unless_that_is_allowed(url: str) -> None:
    with pytest.raises(InvalidSettings, match="begin it with https://, or set FORWARDER_ALLOW_PLAINTEXT=true"):
        load_settings(base_url=url)
    with pytest.raises(InvalidSettings, match="FORWARDER_DESTINATIONS__EU__ALLOW_PLAINTEXT=true"):
        load_settings(destinations={"eu": {"base_url": url}})
    assert load_settings(base_url=url, allow_plaintext=True).base_url == url
    assert (
        load_settings(destinations={"eu": {"base_url": url, "allow_plaintext": "true"}}).upstream("eu").base_url == url
    )


@pytest.mark.parametrize("url", ["http://localhost:1/v1", "http://127.9.9.9/v1", "http://[::1]:8788/v1"])
def test_what_stays_on_this_machine_may_travel_in_the_clear(url: str) -> None:
    assert load_settings(base_url=url).base_url == url


def test_secrets_are_all_that_are_configured_and_long_enough_to_be_told_from_words(file: Path) -> None:
    settings = load_settings(
        api_key_file=file,
        redis_url="redis://me:redis%40password@h/0",
        control_url="redis://h/0?password=control-password",
        webhook_url="https://h",
        webhook_secret="webhook-secret",
        ingest_keys={"app": "ingest-key-1", "hashed": "sha256:" + "0" * 64},
        destinations={"eu": {"api_key": "sandbox"}, "away": {"api_key_file": "/nowhere"}},
    )
    assert set(settings.secrets) == {
        *("sk-of-the-file", "redis%40password", "redis@password", "control-password", "webhook-secret", "ingest-key-1")
    }


# While a drain runs


@pytest.fixture
def looking(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each call looks at the file."""
    monkeypatch.setattr(key_module, "LOOK_S", -1.0)


@pytest.mark.usefixtures("looking")
def test_another_file_in_its_place_is_another_key_and_neither_is_quoted(file: Path) -> None:
    key = Key(load_settings(api_key_file=file).upstream("default"))
    assert not key.renew()
    replace(file, "sk-of-tomorrow")
    assert key.renew()
    assert key.headers == {"x-portkey-api-key": "sk-of-tomorrow"}
    assert key.secrets == ["sk-of-the-file", "sk-of-tomorrow"]
    assert not key.renew()


@pytest.mark.usefixtures("looking")
def test_a_file_that_cannot_be_read_meanwhile_leaves_the_key_in_force(file: Path) -> None:
    key = Key(load_settings(api_key_file=file, auth_scheme="bearer").upstream("default"))
    file.unlink()
    assert not key.renew()
    replace(file, "not a key")
    assert not key.renew()
    assert key.headers == {"authorization": "Bearer sk-of-the-file"}
    replace(file, "sk-of-tomorrow")
    assert key.renew()


def test_a_file_is_not_looked_at_before_its_time(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_module, "LOOK_S", 3_600.0)
    key = Key(load_settings(api_key_file=file).upstream("default"))
    replace(file, "sk-of-tomorrow")
    assert not key.renew()


def test_a_key_of_a_setting_is_not_looked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_module, "LOOK_S", -1.0)
    key = Key(load_settings(api_key="sk-fixed").upstream("default"))
    monkeypatch.setattr(key_module, "_stamp", lambda _: pytest.fail("it was looked for"))
    assert not key.renew()
