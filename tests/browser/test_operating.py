"""The console in a real browser: what operators do with it, and what nobody may."""

import re
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import OpenTab
from tests.support.site import Site
from tests.support.tab import Tab
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)
REFUSE_VALUE = {"kind": "refuse", "field": "value", "equals": -9, "message": "is not a score"}
REFUSE_TRACE = {"kind": "refuse", "field": "trace_id", "contains": "bad", "message": "is unknown", "status": 422}


@pytest.fixture(autouse=True)
def refusals(site: Site) -> None:
    """What the sandbox refuses, before each test."""
    site.refuse(REFUSE_VALUE, REFUSE_TRACE)


# Who is it


def test_who_logs_in_gets_where_they_wanted_to_and_out_again(open_tab: OpenTab) -> None:
    tab = open_tab("")
    tab.tolerated.append("401")
    tab.go("dead-letters?reason=rejected")
    tab.page.get_by_label("Name").fill("ann")
    tab.page.get_by_label("Password or token").fill("wrong")
    tab.click("Log in")
    expect(tab.page.get_by_role("alert")).to_contain_text("no name and password")
    tab.page.get_by_label("Password or token").fill("correct horse battery")
    tab.click("Log in")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Dead letters")
    assert urlsplit(tab.page.url).query == "reason=rejected"
    tab.click("Log out")
    expect(tab.page.get_by_label("Password or token")).to_be_visible()
    tab.go("trail")
    expect(tab.page.get_by_label("Password or token")).to_be_visible()


def test_a_viewer_sees_all_and_changes_nothing(site: Site, open_tab: OpenTab) -> None:
    site.bury("default", 1, "seen")
    tab = open_tab("vic")
    tab.tolerated.append("403")
    tab.go("dead-letters")
    expect(tab.page.get_by_role("link", name="Export")).to_be_visible()
    expect(tab.page.get_by_role("link", name=re.compile("Replay …|Purge"))).to_have_count(0)
    tab.click("seen-0", "link")
    expect(tab.page.locator("pre")).to_contain_text("seen-0")
    expect(tab.page.locator("textarea")).to_have_count(0)
    tab.go("destinations")
    expect(tab.page.get_by_role("button", name="Pause")).to_have_count(0)
    assert tab.go("purge?reason=rejected").status == 403
    tab.go("")
    for path in ("purge", "replay", "destinations/default/pause"):
        assert tab.posted(path, csrf=tab.csrf, sure="yes", reason="rejected") == 403
    assert site.status().dead == 1


def test_a_form_without_the_sessions_token_is_refused(site: Site, tab: Tab) -> None:
    tab.tolerated.append("403")
    for fields in ({}, {"csrf": "guessed"}):
        assert tab.posted("destinations/default/pause", **fields) == 403
    assert site.status().paused is None


def test_a_form_on_another_sites_page_is_refused(site: Site, tab: Tab) -> None:
    tab.tolerated.append("401")  # the browser keeps the cookie back
    action, token = f"{site.console}/destinations/default/pause", tab.csrf
    other = f"http://localhost:{urlsplit(site.console).port}/docs"
    form = f'<form method="post" action="{action}"><input name="csrf" value="{token}"><button>Win</button></form>'
    tab.page.route(other, lambda route: route.fulfill(body=form, content_type="text/html"))
    tab.page.goto(other)
    tab.click("Win")
    expect(tab.page.get_by_role("alert").or_(tab.page.get_by_label("Password or token"))).to_be_visible()
    assert site.status().paused is None


# Live


def test_an_outage_begins_and_ends_before_ones_eyes(site: Site, tab: Tab) -> None:
    card = "#card-outage"
    expect(tab.page.locator("[data-link]")).to_have_text("live")
    site.refuse({"kind": "status", "status": 503})
    site.send([{"trace_id": f"outage-{number}", "value": 1} for number in range(500)], "outage")
    expect(tab.page.locator(f"{card} .badge")).to_have_text(re.compile("paused|probing"))
    expect(tab.page.locator(f"{card} .note")).to_contain_text("503")
    assert tab.number("Backlog", card) == 500
    site.refuse()
    expect(tab.figure("Delivered", card).locator(".big")).to_have_text("500")
    expect(tab.figure("Backlog", card).locator(".big")).to_have_text("0")
    expect(tab.page.locator(f"{card} .badge")).to_have_text(re.compile("idle|flowing"))
    expect(tab.page.locator(f"{card} .mark")).to_have_text(["✓ closes"] * 3)


def test_a_pause_by_hand_is_seen_with_its_reason_and_resumed(site: Site, tab: Tab) -> None:
    tab.go("destinations")
    place = tab.page.get_by_role("region", name="slow", exact=True).or_(tab.page.locator("section", has_text="slow"))
    place.get_by_placeholder("Why").first.fill("they asked us to")
    place.get_by_role("button", name="Pause").first.click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Back").click()
    expect(tab.page.get_by_role("dialog")).to_have_count(0)
    assert site.status("slow").paused is None
    place.get_by_role("button", name="Pause").first.click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(tab.page.locator(".note")).to_contain_text("they asked us to")
    tab.go("")
    expect(tab.page.locator("#card-slow .note")).to_contain_text("they asked us to")
    tab.go("destinations")
    tab.click("Resume")
    expect(tab.page.get_by_role("button", name="Resume")).to_have_count(0)
    tab.go("trail")
    assert "they asked us to" in tab.page.locator("tbody").inner_text()


def test_workers_are_seen_at_work(tab: Tab) -> None:
    tab.go("workers")
    expect(tab.page.get_by_role("region", name="Workers").locator("tbody tr")).to_have_count(1)
    expect(tab.page.locator("[data-link]")).to_have_text("live")


# Dead letters


def test_a_group_is_found_by_its_link_and_the_link_can_be_shared(site: Site, open_tab: OpenTab, tab: Tab) -> None:
    site.bury("mend", 3, "bad", value=1)
    site.bury("mend", 5, "mend")
    tab.go("dead-letters?destination=mend")
    groups = tab.page.get_by_role("region", name="What they died of").locator("tbody tr")
    expect(groups).to_have_count(2)
    expect(groups.first.locator(".num")).to_have_text("5")
    groups.filter(has_text="422").get_by_role("link").click()
    letters = tab.page.get_by_role("region", name="Letters").locator("tbody tr")
    expect(letters).to_have_count(3)
    query = parse_qs(urlsplit(tab.page.url).query)
    assert query["status"] == ["422"]
    other = open_tab("vic")
    other.page.goto(tab.page.url)
    expect(other.page.get_by_role("region", name="Letters").locator("tbody tr")).to_have_count(3)


def test_one_letter_is_mended_by_hand_and_delivered(site: Site, tab: Tab) -> None:
    site.bury("edit", 1, "edit")
    tab.go("dead-letters?destination=edit&contains=edit-0")
    tab.page.get_by_role("region", name="Letters").get_by_role("link", name="edit-0").click()
    expect(tab.page.locator(".facts")).to_contain_text("is not a score")
    event = tab.page.get_by_label("As it is to be sent")
    event.fill('{"trace_id": "edit-0", "value": 99}')
    tab.tolerated.append("422")
    tab.click("Replay this letter")
    expect(tab.page.get_by_role("alert")).to_contain_text("value")
    tab.page.get_by_label("As it is to be sent").fill('{"trace_id": "edit-0-mended", "value": 9}')
    tab.click("Replay this letter")
    expect(tab.figure("Delivered").locator(".big")).to_have_text("1")
    assert site.arrived("edit-0") == {"edit-0-mended": 1}


def test_a_canary_that_dies_stops_the_replay_and_a_mended_one_goes_through(site: Site, tab: Tab) -> None:
    site.bury("canary", 40, "canary")
    tab.go("dead-letters?destination=canary")
    tab.click("Replay …", "link")
    expect(tab.figure("Would return").locator(".big")).to_have_text("40")
    tab.page.get_by_label("Canary").fill("5")
    tab.click("Dry run")
    tab.confirm("Replay 40")
    expect(tab.page.locator(".badge").first).to_have_text("stopped")
    expect(tab.page.locator(".note")).to_contain_text("died again")
    tab.go("dead-letters?destination=canary")
    tab.click("Replay …", "link")
    tab.page.get_by_label("Set a field").fill("value=5")
    tab.page.get_by_label("Canary").fill("5")
    tab.click("Dry run")
    expect(tab.page.get_by_role("region", name="as they would be sent")).to_contain_text('"value":5')
    tab.confirm("Replay 40")
    expect(tab.figure("Delivered").locator(".big")).to_have_text("40")
    expect(tab.page.locator(".badge").first).to_have_text("done")
    assert set(site.arrived("canary-").values()) == {1}
    assert len(site.arrived("canary-")) == 40


def test_a_replay_is_cancelled_half_way_and_resumed(site: Site, tab: Tab) -> None:
    site.bury("slow", 60, "slow")
    site.refuse()
    tab.go("replay?destination=slow&rate=20")
    tab.confirm("Replay 60")
    expect(tab.figure("Moved").locator(".big")).not_to_have_text("0")
    tab.confirm("Cancel replay")
    expect(tab.page.locator(".badge").first).to_have_text("cancelled")
    assert 0 < tab.number("Moved") < 60
    tab.click("Resume")
    expect(tab.figure("Delivered").locator(".big")).to_have_text("60")
    expect(tab.page.locator(".badge").first).to_have_text("done")
    tab.go("replays")
    expect(tab.page.get_by_role("region", name="slow").locator("tbody tr")).to_have_count(1)
    assert len(site.arrived("slow-")) == 60


def test_a_purge_shows_what_it_deletes_and_asks_twice(site: Site, tab: Tab) -> None:
    site.bury("purge", 2, "bad", value=1)
    site.bury("purge", 3, "purge")
    tab.go("dead-letters?destination=purge&status=422")
    with tab.page.expect_download() as download:
        tab.click("Export", "link")
    assert download.value.path().read_text().count("\n") == 2
    tab.click("Purge …", "link")
    expect(tab.page.get_by_role("heading", level=2)).to_contain_text("2 dead letters")
    tab.click("Purge 2")
    expect(tab.page.get_by_role("dialog")).to_have_count(0)
    tab.page.get_by_role("checkbox").check()
    tab.confirm("Purge 2")
    expect(tab.page.get_by_role("status")).to_contain_text("2 dead letters were deleted")
    status = site.status("purge")
    assert (status.dead, status.purged) == (3, 2)
    tab.go("trail")
    expect(tab.page.locator("tbody tr").first).to_contain_text("2 purged")


# What comes from elsewhere


def test_markup_from_events_the_upstream_and_operators_is_shown_and_never_run(site: Site, tab: Tab) -> None:
    evil = "\"'><script>window.hit=1</script><img src=x onerror=window.hit=1>{{7*7}}"
    site.refuse({"kind": "refuse", "field": "value", "equals": -8, "message": evil})
    site.send([{"trace_id": evil, "value": -8, "text": evil, "metadata": {evil: evil}}], "xss")
    assert eventually(lambda: site.status("xss").dead == 1)
    tab.go("dead-letters?destination=xss")
    expect(tab.page.get_by_role("region", name="Letters")).to_contain_text("<script>window.hit=1</script>")
    letter = tab.page.get_by_role("region", name="Letters").get_by_role("link").get_attribute("href") or ""
    pages = [letter.removeprefix("/console/"), f"dead-letters?destination=xss&contains={evil}"]
    pages += [f"replay?destination=xss&set=text={evil}", f"dead-letters?status={evil}"]
    tab.tolerated += ["400", "422"]
    for path in pages:
        tab.go(path)
        assert "window.hit=1" in tab.page.locator("main").inner_html(), path
        assert tab.page.locator("main script, main img").count() == 0, path
    tab.go("destinations")
    place = tab.page.locator("section", has_text="xss").first
    place.get_by_placeholder("Why").fill(evil)
    place.get_by_role("button", name="Pause").click()
    tab.page.get_by_role("dialog").get_by_role("button", name="Pause").click()
    expect(tab.page.locator(".note")).to_contain_text("<script>")
    for path in ("", "trail", "destinations"):
        tab.go(path)
        expect(tab.page.locator("main")).to_contain_text("<script>window.hit=1</script>")
        expect(tab.page.locator("main")).to_contain_text("{{7*7}}")
    assert tab.page.evaluate("window.hit") is None
    tab.click("Resume")


def test_without_script_it_works_too(site: Site, open_tab: OpenTab) -> None:
    site.bury("default", 2, "plain")
    tab = open_tab(java_script_enabled=False)
    expect(tab.page.locator("#card-default")).to_contain_text("closes")
    tab.go("dead-letters")
    tab.page.get_by_label("Text in event or error").fill("plain-")
    tab.click("Filter")
    tab.click("Replay …", "link")
    tab.page.get_by_label("Set a field").fill("value=1")
    tab.click("Dry run")
    tab.click("Replay 2")
    assert eventually(lambda: len(site.arrived("plain-")) == 2)
    tab.page.reload()
    expect(tab.page.locator(".badge").first).to_have_text("done")


def focused(tab: Tab) -> str:
    """The text of what has the focus."""
    return str(tab.page.evaluate("document.activeElement.textContent.trim()"))


def test_the_keyboard_alone_is_enough(tab: Tab) -> None:
    tab.go("trail")
    tab.page.keyboard.press("Tab")
    assert focused(tab) == "To the content"
    tab.page.keyboard.press("Enter")
    assert tab.page.evaluate("document.activeElement.id") == "main"
    for _ in range(10):
        tab.page.keyboard.press("Shift+Tab")
        if focused(tab) == "Workers":
            break
    tab.page.keyboard.press("Enter")
    expect(tab.page.get_by_role("heading", level=1)).to_have_text("Workers")
