"""Wrong data among 20,000 events, put right with the console alone: nothing is lost, and the books close."""

import re
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.browser.conftest import chromium
from tests.support.site import Site
from tests.support.tab import Tab
from tests.support.waiting import eventually

EVENTS = 20_000
VALUES = EVENTS // 10
TRACES = EVENTS // 20
BATCH = 500
MENDED = 1
CANARY = 100
REPLAYED = VALUES - MENDED


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """With a queue of its own: here all is counted."""
    chromium()
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder:
        started = Site(Path(folder))
        yield started
        started.stop()


def event(number: int) -> dict[str, object]:
    """Every tenth has a value that is refused, every twentieth, which is none of those, a trace id."""
    kind = "bad" if number % 20 == 5 else "good"
    return {"trace_id": f"{kind}-{number}", "value": -9 if number % 10 == 0 else 5}


@pytest.mark.timeout(300)
def test_wrong_data_is_put_right_with_the_console_alone(site: Site, browser: Browser) -> None:
    site.refuse(
        {"kind": "refuse", "field": "value", "equals": -9, "message": "is not a score"},
        {"kind": "refuse", "field": "trace_id", "contains": "bad", "message": "is unknown", "status": 422},
    )
    for first in range(0, EVENTS, BATCH):
        site.send([event(number) for number in range(first, first + BATCH)])
    assert eventually(lambda: site.status().pending == 0, 90), site.status()
    tab = Tab(browser, site, "ann")

    find_the_two_groups(tab)
    mend_one_by_hand(tab)
    replay_with_a_canary_and_cancel_half_way(tab)
    tab.click("Resume")
    expect(tab.page.locator(".badge").first).to_have_text("done")
    expect(tab.figure("Delivered").locator(".big")).to_have_text(f"{REPLAYED:,}", timeout=60_000)
    purge_the_rest(tab)
    the_books_close(site, tab)
    tab.close()


def find_the_two_groups(tab: Tab) -> None:
    tab.go("dead-letters")
    groups = tab.page.get_by_role("region", name="What they died of").locator("tbody tr")
    expect(groups).to_have_count(2)
    expect(groups.nth(0)).to_contain_text(f"{VALUES:,}")
    expect(groups.nth(0)).to_contain_text("is not a score")
    expect(groups.nth(1)).to_contain_text(f"{TRACES:,}")
    expect(groups.nth(1)).to_contain_text("is unknown")
    groups.nth(0).get_by_role("link").click()
    expect(tab.page.locator(".head .soft").first).to_contain_text("status")


def mend_one_by_hand(tab: Tab) -> None:
    found = tab.page.url
    tab.page.get_by_role("region", name="Letters").get_by_role("link", name=re.compile("good-")).first.click()
    event = tab.page.get_by_label("As it is to be sent")
    event.fill(event.input_value().replace("-9", "7"))
    tab.click("Replay this letter")
    expect(tab.figure("Delivered").locator(".big")).to_have_text("1")
    tab.page.goto(found)


def replay_with_a_canary_and_cancel_half_way(tab: Tab) -> None:
    tab.click("Replay …", "link")
    tab.page.get_by_label("Set a field").fill("value=5")
    tab.page.get_by_label("Canary").fill(str(CANARY))
    tab.page.get_by_label("Most per second").fill("500")
    tab.click("Dry run")
    expect(tab.figure("Would return").locator(".big")).to_have_text(f"{REPLAYED:,}")
    tab.confirm(f"Replay {REPLAYED:,}")
    expect(tab.figure("Moved").locator(".big")).not_to_have_text(re.compile(f"^(0|{CANARY})$"))
    tab.confirm("Cancel replay")
    expect(tab.page.locator(".badge").first).to_have_text("cancelled")
    assert CANARY < tab.number("Moved") < REPLAYED


def purge_the_rest(tab: Tab) -> None:
    tab.go("dead-letters")
    groups = tab.page.get_by_role("region", name="What they died of").locator("tbody tr")
    expect(groups).to_have_count(1)
    groups.nth(0).get_by_role("link").click()
    tab.click("Purge …", "link")
    tab.page.get_by_role("checkbox").check()
    tab.confirm(f"Purge {TRACES:,}")
    expect(tab.page.get_by_role("status")).to_contain_text(f"{TRACES:,} dead letters were deleted")


def the_books_close(site: Site, tab: Tab) -> None:
    tab.go("")
    expect(tab.page.locator("#card-default .mark")).to_have_text(["✓ closes"] * 3)
    audit = site.run("audit", "--deep")
    assert audit.returncode == 0, audit.stdout
    status, counts = site.status(), site.counts()
    assert (status.accepted, status.delivered, status.dead) == (EVENTS, EVENTS - TRACES, 0)
    assert (status.replayed, status.purged, status.ambiguous) == (VALUES, TRACES, 0)
    assert counts["distinct_trace_ids"] == EVENTS - TRACES
    assert counts["duplicates"] == 0
