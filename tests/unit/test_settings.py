from typing import Any

import pytest

from forwarder.settings import Settings, load_settings
from tests.support.refusals import SECRET, refusal


def test_the_defaults_are_the_documented_ones() -> None:
    settings = load_settings()
    assert settings.url == "https://api.portkey.ai/v1/feedback/"
    assert (settings.batch_max_events, settings.batch_max_bytes, settings.batch_linger_ms) == (500, 1_048_576, 50)
    assert (settings.redis_url, settings.key_prefix, settings.auth_scheme) == ("embedded", "feedback:", "portkey")
    assert settings.api_key is None
    assert settings.destination_names == ["default"]
    assert (settings.limits.trace_id_max_length, settings.limits.event_max_bytes) == (512, 262_144)


@pytest.mark.parametrize(
    ("field", "low", "high"),
    [
        ("batch_max_events", 1, 10_000),
        ("batch_max_bytes", 1_024, 104_857_600),
        ("batch_linger_ms", 0, 60_000),
        ("concurrency_max", 1, 1_000),
        ("retry_max_attempts", 1, 1_000),
        ("retry_after_max_s", 0, 86_400),
        ("redis_timeout_s", None, 60),
        ("dedupe_ttl_s", 1, 2_592_000),
        ("trace_id_max_length", 1, 65_536),
        ("event_max_bytes", 128, 10_485_760),
        ("workers", 1, 64),
        ("max_drains", 1, 64),
        ("drain_session_s", None, 86_400),
        ("lease_ttl_s", 1, 600),
        ("sandbox_port", 0, 65_535),
        ("backlog_max_events", 1, None),
    ],
)
def test_a_number_is_taken_up_to_its_bounds_and_refused_beyond_by_the_name_of_its_variable(
    field: str, low: int | None, high: int | None
) -> None:
    for bound, step in ((low, -1), (high, 1)):
        if bound is not None:
            assert getattr(load_settings(**{field: bound}), field) == bound
            message = refusal(**{field: bound + step})
            assert message.startswith(f"FORWARDER_{field.upper()}: ")
            assert str(bound) in message
            assert str(bound + step) in message


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"retry_max_ms": 1}, "RETRY_MAX_MS must not be below {}RETRY_BASE_MS"),
        ({"pause_max_s": 0.5}, "PAUSE_MAX_S must not be below {}PAUSE_MIN_S"),
        ({"concurrency": 9, "concurrency_max": 8}, "CONCURRENCY must not be above {}CONCURRENCY_MAX (8)"),
    ],
)
def test_values_that_do_not_fit_together_are_refused_of_the_whole_and_of_one_destination(
    wrong: dict[str, Any], message: str
) -> None:
    assert refusal(**wrong) == "FORWARDER_" + message.format("FORWARDER_")
    scope = "FORWARDER_DESTINATIONS__EU__"
    assert refusal(destinations={"eu": wrong}) == scope + message.format(scope)


def test_nought_seconds_are_refused_where_they_would_mean_no_time_at_all() -> None:
    for field in ("connect_timeout_s", "request_timeout_s", "redis_timeout_s", "drain_idle_s", "pause_min_s"):
        assert refusal(**{field: 0}).startswith(f"FORWARDER_{field.upper()}: must be a number above 0")


@pytest.mark.parametrize(
    ("field", "value", "allowed"),
    [
        ("batch_max_events", "many", "an integer from 1 to 10000"),
        ("auth_scheme", "basic", "portkey | bearer"),
        ("log_level", "loud", "debug | info | warning | error"),
        ("redis_url", "http://host", "redis://"),
        ("redis_url", "redis+sentinel://a,b", "name the service"),
        ("redis_url", "redis+sentinel://a,b/main/x", "name the service"),
        ("redis_url", "redis+sentinel://a,,b/main", "name its hosts"),
        ("redis_url", "host:6379", "redis://"),
        ("redis_url", "redis://host:99999/0", "a port from 0 to 65535"),
        ("redis_url", "rediss://host:port", "a port from 0 to 65535"),
        ("redis_url", "redis+sentinel://host:99999/main", "name its hosts"),
        ("redis_tls_ca_file", "/nowhere/ca.pem", "the path of a file that is there"),
        ("tracing", "maybe", "on | off"),
        ("rate_requests_per_s", "0", "to 1000000 "),
        ("control_url", "amqp://host", "redis://"),
        ("base_url", "api.example.org", "https://"),
        ("base_url", "ftp://api.example.org", "https://"),
        ("base_url", "https://", "https://"),
        ("base_url", "https://host/v1?x=1", "without query"),
        ("base_url", "http://[::1", "URL"),
        ("feedback_path", "feedback", "matches"),
        ("feedback_path", "/feed back", "matches"),
        ("key_prefix", "{x}:", "matches"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable_with_what_is_allowed(field: str, value: str, allowed: str) -> None:
    message = refusal(**{field: value})
    assert message.startswith(f"FORWARDER_{field.upper()}: ")
    assert allowed in message
    assert "\n" not in message


def test_each_wrong_variable_has_a_line_of_its_own() -> None:
    lines = refusal(workers=0, batch_max_events=0).splitlines()
    assert sorted(line.partition(":")[0] for line in lines) == ["FORWARDER_BATCH_MAX_EVENTS", "FORWARDER_WORKERS"]


def test_a_backoff_whose_end_is_below_its_beginning_is_refused_by_both_names() -> None:
    message = refusal(retry_base_ms=500, retry_max_ms=499)
    assert "FORWARDER_RETRY_MAX_MS" in message
    assert "FORWARDER_RETRY_BASE_MS" in message
    assert load_settings(retry_base_ms=500, retry_max_ms=500).retry_max_ms == 500


@pytest.mark.parametrize(("base", "path"), [("https://h/v1", "/feedback/"), ("https://h/v1/", "/feedback/")])
def test_base_and_path_are_joined_with_one_slash(base: str, path: str) -> None:
    assert load_settings(base_url=base, feedback_path=path).url == "https://h/v1/feedback/"


@pytest.mark.parametrize("url", ["embedded", "redis://h", "rediss://u:p@h:1/2", "unix:///run/r.sock"])
def test_the_known_schemes_are_taken(url: str) -> None:
    assert load_settings(redis_url=url).redis_url == url


@pytest.mark.parametrize(
    ("variable", "value", "said"),
    [
        (
            "CONSOLE_USERS",
            "ann",
            "must be set part by part: who may log in, as FORWARDER_CONSOLE_USERS__NAME__PASSWORD",
        ),
        ("INGEST_KEYS", "5", "must be set part by part: keys of its callers, as FORWARDER_INGEST_KEYS__NAME__KEY"),
        ("INGEST_KEYS__WEB__SOURCE", "shop", "FORWARDER_INGEST_KEYS__WEB__KEY: must be set: the key, or sha256:"),
        ("CONSOLE_USERS__ANN__ROLE", "admin", "FORWARDER_CONSOLE_USERS__ANN__ROLE: must be viewer | operator"),
        ("INGEST_KEYS__WEB", "[1]", "FORWARDER_INGEST_KEYS__WEB: must be set part by part"),
    ],
)
def test_what_has_parts_says_which(monkeypatch: pytest.MonkeyPatch, variable: str, value: str, said: str) -> None:
    monkeypatch.setenv(f"FORWARDER_{variable}", value)

    assert said in refusal()


def test_a_key_of_digits_alone_is_a_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FORWARDER_INGEST_KEYS__WEB", "1234567890")

    assert load_settings().ingest_keys["web"].key.get_secret_value() == "1234567890"


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(ValueError, match="frozen"):
        load_settings().workers = 2  # type: ignore[misc]


# Secrets


def test_no_secret_is_in_the_text_of_settings() -> None:
    url = f"redis://user:{SECRET}@host"
    settings = load_settings(api_key=SECRET, redis_url=url, control_url=url, destinations={"eu": {"api_key": SECRET}})
    for shown in (settings, settings.upstream("eu"), settings.upstream("default")):
        assert SECRET not in repr(shown)
        assert SECRET not in str(shown)


@pytest.mark.parametrize(
    "overrides",
    [
        pytest.param({"api_key": f"{SECRET} x"}, id="api key with a space"),
        pytest.param({"api_key": f"{SECRET}\n"}, id="api key with a line break"),
        pytest.param({"api_key": f"{SECRET}é"}, id="api key that no header carries"),
        pytest.param({"destinations": {"eu": {"api_key": f"{SECRET} x"}}}, id="destination's api key"),
        pytest.param({"destinations": {"eu": {"api_key": [SECRET]}}}, id="destination's api key in a list"),
        pytest.param({"redis_url": f"http://user:{SECRET}@host"}, id="redis url"),
        pytest.param({"redis_url": f"tcp://host?password={SECRET}"}, id="redis url with a query"),
        pytest.param({"control_url": f"amqp://user:{SECRET}@host"}, id="control url"),
        pytest.param({"base_url": f"https://user:{SECRET}@host/?x"}, id="base url"),
        pytest.param({"destinations": {"eu": {"base_url": f"ftp://u:{SECRET}@h"}}}, id="destination's base url"),
        pytest.param({"webhook_url": f"hooks.example.com/services/{SECRET}"}, id="webhook url"),
        pytest.param({"api_key": SECRET, "workers": 0}, id="something else"),
        pytest.param({"api_key": SECRET, "retry_max_ms": 1}, id="the whole"),
    ],
)
def test_no_secret_is_in_the_message_of_a_refusal(overrides: dict[str, Any]) -> None:
    message = refusal(**overrides)
    assert "FORWARDER_" in message
    assert SECRET not in message


def test_every_password_of_a_url_is_known_for_one() -> None:
    known = load_settings(
        redis_url="redis+sentinel://user:of-the-primary@a,b/main?sentinel_username=s&sentinel_password=of-sentinels",
        control_url="redis://host/0?password=in-the-query",
        webhook_url="https://user:of-the-webhook@host/",
        webhook_secret="signs-what-is-posted",
    ).secrets
    passwords = {"of-the-primary", "of-sentinels", "in-the-query", "of-the-webhook", "signs-what-is-posted"}
    assert passwords <= set(known)


def test_settings_are_what_they_are_called_in_the_public_names() -> None:
    assert isinstance(load_settings(), Settings)
