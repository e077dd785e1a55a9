"""The console's parts: hashes, settings, the trail, and what is told where it is not installed."""

import asyncio
import json

import pytest

from forwarder.cli.where import choose, chosen_url
from forwarder.console.hashes import hash_password, hash_token, is_password, new_token
from forwarder.console.mount import Mounted, is_for_operators
from forwarder.errors import InvalidSettings, UsageError
from forwarder.extras import EXTRAS
from forwarder.operations.operator import Operator
from forwarder.queue import trail
from forwarder.queue.connection import connect
from forwarder.queue.keys import OperatorKeys
from forwarder.queue.trail import Deed
from forwarder.settings import Settings, load_settings


def test_a_password_is_known_by_its_hash_and_no_other() -> None:
    hashed = hash_password("correct horse")

    assert is_password("correct horse", hashed)
    assert not is_password("correct horse ", hashed)
    assert hashed != hash_password("correct horse")
    assert load_settings(console_users={"ann": hashed}).console_users["ann"].role == "viewer"


@pytest.mark.parametrize(
    ("group", "value", "words"),
    [
        ("console_users", {"ann": "my-password"}, "FORWARDER_CONSOLE_USERS__ANN__PASSWORD: must be a hash"),
        ("console_users", {"ann": {"password": hash_token("x"), "role": "viewer"}}, "must be a hash"),
        ("console_tokens", {"ci": "a-token"}, "FORWARDER_CONSOLE_TOKENS__CI__TOKEN: must be a hash"),
        ("console_tokens", {"ci": {"token": hash_token("x"), "role": "god"}}, "CI__ROLE"),
        ("console_tokens", {"ci": {"tokn": hash_token("x")}}, "is not a setting of a token of the console"),
    ],
)
def test_a_wrong_setting_is_told_without_its_value(group: str, value: object, words: str) -> None:
    with pytest.raises(InvalidSettings, match=words) as told:
        load_settings(**{group: value})
    assert "my-password" not in str(told.value)
    assert "a-token" not in str(told.value)


def test_tokens_are_drawn_anew() -> None:
    assert len({new_token() for _ in range(10)}) == 10
    assert "ci" in load_settings(console_tokens={"ci": hash_token(new_token())}).console_tokens


@pytest.mark.parametrize(
    ("path", "meant"),
    [("/console", True), ("/console/", True), ("/api/status", True), ("/v1/feedback", False), ("/apiary", False)],
)
def test_which_paths_are_for_operators(path: str, meant: bool) -> None:  # noqa: FBT001 - a table
    assert is_for_operators(path) is meant


def test_where_it_is_not_installed_the_answer_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(EXTRAS, "console", ("no_such_module",))

    refusal = asyncio.run(Mounted(load_settings()).refusal("/console/"))

    assert refusal is not None
    assert refusal.status == 501
    assert "pip install 'feedback-forwarder[console]'" in json.loads(refusal.body)["error"]["message"]


def test_a_url_of_the_environment_is_heard_by_the_commands_that_can(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_URL", "http://a")

    choose(None, "status")
    assert chosen_url() == "http://a"
    choose("http://b", "replay")
    assert chosen_url() == "http://b"
    choose(None, "up")
    assert chosen_url() == ""
    with pytest.raises(UsageError, match="does not work with --url"):
        choose(None, "send")
    with pytest.raises(UsageError, match="does not work with --url"):
        choose("http://b", "up")


# The trail


@pytest.fixture
def operator(settings: Settings) -> Operator:
    return Operator(settings, connect(settings), "ann", "console")


def test_a_deed_is_noted_with_its_result(operator: Operator) -> None:
    with operator.noting("pause", "default", detail="migration") as noted:
        (under_way,) = trail.newest(operator.client, operator.trail_keys, 10)
        noted.result = "so it is"

    (deed,) = trail.newest(operator.client, operator.trail_keys, 10)
    assert (under_way.result, deed.result) == ("", "so it is")
    assert (deed.who, deed.via, deed.action, deed.detail) == ("ann", "console", "pause", "migration")
    assert deed.at_ms == int(deed.id.split("-")[0])


def test_a_deed_that_fails_is_noted_too(operator: Operator) -> None:
    with pytest.raises(UsageError), operator.noting("replay", "default"):
        raise UsageError("that cannot be")

    (deed,) = trail.newest(operator.client, operator.trail_keys, 10)
    assert deed.result == "broken off: that cannot be"


def test_the_trail_is_read_page_by_page_and_bounded(operator: Operator, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trail, "KEPT", 300)
    keys = OperatorKeys()
    for number in range(600):
        deed_id = trail.begin(operator.client, keys, Deed("ann", "api", f"deed {number}", "default", detail="x" * 900))
        trail.end(operator.client, keys, deed_id, f"result {number}")

    seen: list[Deed] = []
    while page := trail.newest(operator.client, keys, 40, seen[-1].id if seen else ""):
        seen += page

    assert [deed.action for deed in seen[:100]] == [f"deed {number}" for number in reversed(range(500, 600))]
    assert [deed.result for deed in seen[:100]] == [f"result {number}" for number in reversed(range(500, 600))]
    assert 150 <= len(seen) <= 260
    assert {len(deed.detail) for deed in seen} == {500}
    operator.client.close()
