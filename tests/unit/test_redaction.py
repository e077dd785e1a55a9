"""Which texts never leave: every secret of the settings, as it may stand in a text."""

import base64
from pathlib import Path
from typing import Any

import pytest

from forwarder.key_settings import MASKED_FROM
from forwarder.named_settings import HASH_PREFIX
from forwarder.settings import load_settings

SEALS = [base64.b64encode(bytes([number]) * 32).decode() for number in range(2)]
SHORT = "x" * (MASKED_FROM - 1)


def secrets(**given: Any) -> set[str]:  # noqa: ANN401 - any settings
    found = load_settings(**given).secrets
    assert found == sorted(found, key=lambda secret: (-len(secret), secret)), "none is masked in part by another"
    return set(found)


def test_the_keys_of_all_destinations_and_callers_and_of_the_webhook() -> None:
    keys = {"app": {"key": "key-of-a-caller"}, "hashed": {"key": HASH_PREFIX + "0" * 64}}
    assert secrets(
        api_key="key-of-default",
        destinations={"eu": {"api_key": "key-of-eu"}},
        ingest_keys=keys,
        webhook_url="http://h/hook",
        webhook_secret="secret-of-webhook",
    ) == {"key-of-default", "key-of-eu", "key-of-a-caller", "secret-of-webhook"}


def test_what_is_long_enough_to_be_told_from_other_words() -> None:
    assert secrets(api_key=SHORT + "x") == {SHORT + "x"}
    assert secrets(api_key=SHORT) == set()
    assert secrets() == set()


def test_a_key_file_that_cannot_be_read_hides_no_other_secret(tmp_path: Path) -> None:
    unreadable = {"api_key_file": tmp_path / "none", "queue_key_file": tmp_path / "neither"}
    with_url = {**unreadable, "redis_url": "redis://:password-in-url@h"}
    assert secrets(**with_url, destinations={"eu": {"api_key": "key-of-eu"}}) == {"key-of-eu", "password-in-url"}


@pytest.mark.parametrize("between", [",", ", ", "\n", "\r\n"])
def test_each_key_of_the_queue(tmp_path: Path, between: str) -> None:
    file = tmp_path / "seals"
    file.write_text(between.join(SEALS) + "\n")
    assert secrets(queue_key_file=file) == set(SEALS)


def test_passwords_of_both_servers_as_they_are_written_and_as_they_are_meant() -> None:
    assert secrets(
        redis_url="redis://me:pass%40word%2F1@h", control_url="redis://other:6379?password=of-the-query%21"
    ) == {"pass%40word%2F1", "pass@word/1", "of-the-query%21", "of-the-query!"}
