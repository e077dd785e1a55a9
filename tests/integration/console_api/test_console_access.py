"""Who may use the console: logins, sessions, roles, and what forged requests meet, on the real server."""

import subprocess
import sys

import pytest

from forwarder.queue import sessions
from forwarder.queue.keys import OperatorKeys
from tests.integration.conftest import StartRig
from tests.support.console import LOOKS, PASSWORD, TOKEN, USERS, Browser
from tests.support.ingest import Ingest
from tests.support.letters import bury
from tests.support.rig import Rig
from tests.support.waiting import eventually


@pytest.fixture(autouse=True)
def _no_tries_so_far(rig: Rig) -> None:
    for key in rig.redis.scan_iter(OperatorKeys().logins("*")):
        rig.redis.delete(key)


def test_a_page_leads_to_the_login_and_the_login_back_to_the_page(ingest: Ingest) -> None:
    browser = Browser(ingest)
    sent_away = browser.http.get("/console/?q=a&b=c")
    assert sent_away.status_code == 303
    form = browser.http.get(sent_away.headers["location"])
    assert 'value="/console/?q=a&amp;b=c"' in form.text
    back = browser.login("Ann", PASSWORD, next="/console/?q=a&b=c")
    assert back.headers["location"] == "/console/?q=a&b=c"
    assert "ann (operator)" in browser.http.get("/console/").text


@pytest.mark.parametrize(
    "elsewhere", ["https://evil.example/console/", "//evil.example", "/console/\\evil", "/v1/", "/console/€"]
)
def test_the_login_leads_nowhere_else(ingest: Ingest, elsewhere: str) -> None:
    assert Browser(ingest).login("ann", PASSWORD, next=elsewhere).headers["location"] == "/console/"


@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("nobody", PASSWORD), ("", "wrong"), ("ann", "")])
def test_who_is_wrong_is_told_no_more_than_that(ingest: Ingest, name: str, password: str) -> None:
    answer = Browser(ingest).login(name, password)
    assert answer.status_code == 401
    assert "no name and password, or token" in answer.text
    assert "set-cookie" not in answer.headers


def test_a_token_logs_in_as_well(ingest: Ingest) -> None:
    browser = Browser(ingest)
    assert browser.login("", LOOKS).status_code == 303
    assert "token:eye (viewer)" in browser.http.get("/console/").text


def test_too_many_tries_are_refused_also_with_the_right_password(rig: Rig, ingest: Ingest) -> None:
    browser = Browser(ingest)
    answers = [browser.login("vic", f"wrong {number}").status_code for number in range(6)]
    assert answers == [401] * 5 + [429]
    refused = browser.login("vic", PASSWORD)
    assert refused.status_code == 429
    assert refused.headers["retry-after"] == "60"
    assert browser.login("ann", PASSWORD).status_code == 303
    assert rig.logged("login_throttled")


def test_the_cookie_is_for_our_pages_and_out_of_reach_of_scripts(ingest: Ingest) -> None:
    plain = Browser(ingest).login("ann", PASSWORD).headers["set-cookie"]
    assert plain.startswith("forwarder_session=")
    assert {"HttpOnly", "SameSite=lax", "Path=/", "Max-Age=43200"} <= set(plain.split("; "))
    assert "Secure" not in plain
    browser = Browser(ingest)
    browser.http.headers["x-forwarded-proto"] = "https"
    behind_tls = browser.login("ann", PASSWORD).headers["set-cookie"]
    assert behind_tls.startswith("__Host-forwarder_session=")
    assert {"Secure", "HttpOnly", "SameSite=lax"} <= set(behind_tls.split("; "))


def test_redis_holds_no_session_that_could_be_used(rig: Rig, ingest: Ingest) -> None:
    browser = Browser(ingest, "ann")
    token = browser.http.cookies["forwarder_session"]
    held = [(key, rig.redis.hgetall(key)) for key in rig.redis.scan_iter(OperatorKeys().session("*"))]
    assert token.encode() not in str(held).encode()


def test_a_session_ends_with_the_logout(ingest: Ingest) -> None:
    browser = Browser(ingest, "vic")
    cookie = browser.http.cookies["forwarder_session"]
    left = browser.http.post("/console/logout", data={"csrf": browser.csrf})
    assert left.headers["location"] == "/console/login"
    browser.http.cookies.set("forwarder_session", cookie)
    assert browser.http.get("/console/").status_code == 303


def test_a_session_ends_with_its_time(rig: Rig, ingest: Ingest) -> None:
    browser = Browser(ingest, "ann")
    (key,) = (key for key in rig.redis.scan_iter(OperatorKeys().session("*")) if _is_of(rig, key, browser))
    assert 0 < int(rig.redis.ttl(key)) <= 43_200
    rig.redis.pexpire(key, 1)
    assert eventually(lambda: browser.http.get("/console/").status_code == 303)


def _is_of(rig: Rig, key: bytes, browser: Browser) -> bool:
    token = browser.http.cookies["forwarder_session"]
    held = sessions.get(rig.redis, OperatorKeys(), token)
    return held is not None and rig.redis.hget(key, "csrf") == held.csrf.encode()


def test_a_session_ends_when_the_password_is_another(rig: Rig, ingest: Ingest) -> None:
    browser = Browser(ingest, "ann")
    for key in rig.redis.scan_iter(OperatorKeys().session("*")):
        if _is_of(rig, key, browser):
            rig.redis.hset(key, "proof", "of another hash")
    assert browser.http.get("/console/").status_code == 303


@pytest.mark.parametrize("csrf", ["", "wrong", None])
def test_a_form_without_the_sessions_token_is_refused(ingest: Ingest, csrf: str | None) -> None:
    browser = Browser(ingest, "ann")
    answer = browser.http.post("/console/logout", data={} if csrf is None else {"csrf": csrf})
    assert answer.status_code == 403
    assert browser.http.get("/console/").status_code == 200


def test_the_token_of_another_session_is_refused(ingest: Ingest) -> None:
    ours, other = Browser(ingest, "ann"), Browser(ingest, "ann")
    assert ours.http.post("/console/logout", data={"csrf": other.csrf}).status_code == 403


@pytest.mark.parametrize("headers", [{"sec-fetch-site": "cross-site"}, {"origin": "https://evil.example"}])
@pytest.mark.parametrize("path", ["/console/logout", "/console/login"])
def test_what_another_sites_page_sends_is_refused(ingest: Ingest, path: str, headers: dict[str, str]) -> None:
    browser = Browser(ingest, "ann")
    form = {"csrf": browser.csrf, "name": "ann", "password": PASSWORD}
    assert browser.http.post(path, data=form, headers=headers).status_code == 403


@pytest.mark.parametrize("path", ["/console/", "/console/login", "/console/static/console.css", "/console/nowhere"])
def test_every_answer_lets_nothing_from_elsewhere_in(ingest: Ingest, path: str) -> None:
    answer = Browser(ingest, "ann").http.get(path, follow_redirects=True)
    policy = answer.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "frame-ancestors 'none'" in policy
    assert "unsafe" not in policy
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["referrer-policy"] == "no-referrer"
    assert answer.headers["cache-control"] == "no-store"


def test_a_name_with_markup_is_shown_not_run(ingest: Ingest) -> None:
    answer = Browser(ingest).login("<script>alert(1)</script>", "wrong")
    assert "&lt;script&gt;" in answer.text
    assert "<script>alert" not in answer.text


def test_the_console_says_so_while_redis_is_away(start_rig: StartRig) -> None:
    rig = start_rig(**USERS, FORWARDER_REDIS_TIMEOUT_S="0.3")
    with Ingest(rig) as ingest:
        browser = Browser(ingest, "ann")
        rig.kill_server()
        assert browser.http.get("/console/").status_code == 503
        rig.server.start()
        assert eventually(lambda: browser.http.get("/console/").status_code in (200, 303))


def test_an_operator_can_log_in_and_purge_on_a_redis_without_memory(start_rig: StartRig) -> None:
    rig = start_rig(**USERS)
    bury(rig.redis, 3)
    with Ingest(rig) as ingest:
        rig.redis.config_set("maxmemory", "1")
        browser = Browser(ingest, "ann")
        purged = browser.http.post(
            "/api/dead-letters/purge", json={"all": True}, headers={"x-csrf-token": browser.csrf}
        )
        assert purged.json()["purged"] == 3, purged.text
        (deed,) = browser.http.get("/api/trail").json()
        assert (deed["who"], deed["result"]) == ("ann", "3 purged")


# Where nobody has to log in


def test_without_users_this_machine_alone_is_served(rig: Rig) -> None:
    nobody = {name: value for name, value in rig.variables.items() if name not in USERS}
    other = Rig.__new__(Rig)
    other.__dict__.update(rig.__dict__, variables=nobody, log=rig.folder / "open.log")
    with Ingest(other) as ingest:
        assert "everybody on this machine is an operator" in other.log.read_text()
        browser = Browser(ingest)
        page = browser.http.get("/console/")
        assert "local (operator)" in page.text
        assert "HttpOnly" in page.headers["set-cookie"]
        rebound = browser.http.get("/console/", headers={"host": "evil.example"})
        assert rebound.status_code == 403
        assert browser.http.post("/console/logout", data={"csrf": browser.csrf}).status_code == 303
        assert browser.http.post("/console/logout").status_code == 403


def test_without_users_an_address_that_others_reach_serves_no_console(start_rig: StartRig) -> None:
    rig = start_rig(FORWARDER_INGEST_HOST="0.0.0.0", FORWARDER_INGEST_KEYS__WEB="web-key-1")  # noqa: S104
    with Ingest(rig) as ingest:
        answer = ingest.http.get("/console/")
        assert answer.status_code == 403
        assert "FORWARDER_CONSOLE_USERS__NAME__PASSWORD" in answer.text


def test_the_console_can_be_switched_off(start_rig: StartRig) -> None:
    with Ingest(start_rig(FORWARDER_CONSOLE="off")) as ingest:
        answer = ingest.http.get("/console/")
        assert answer.status_code == 404
        assert "FORWARDER_CONSOLE" in answer.json()["error"]["message"]


# The commands that make hashes


def _run(*words: str, typed: str = "") -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "forwarder.cli", *words]
    return subprocess.run(command, input=typed, capture_output=True, text=True, check=False)


def test_a_password_becomes_lines_of_settings_that_do_not_hold_it() -> None:
    done = _run("console-password", "ann", typed=f"{PASSWORD}\n")
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("FORWARDER_CONSOLE_USERS__ANN__PASSWORD=scrypt:")
    assert "FORWARDER_CONSOLE_USERS__ANN__ROLE=operator\n" in done.stdout
    assert PASSWORD not in done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "typed", "said"),
    [
        (("console-password", "ann"), "short\n", "too short"),
        (("console-password", "ann", "--role", "god"), f"{PASSWORD}\n", "viewer and operator"),
        (("console-token", "a b"), "", "'a b' cannot be a name"),
        (("console-password", "Ann"), f"{PASSWORD}\n", "'Ann' cannot be a name"),
    ],
)
def test_what_cannot_be_is_one_clear_line(words: tuple[str, ...], typed: str, said: str) -> None:
    done = _run(*words, typed=typed)
    assert done.returncode in (1, 2)
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert TOKEN not in done.stdout
