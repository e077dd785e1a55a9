"""Pictures of every page, wide and on a phone, light and dark: `python -m tests.browser.screenshots FOLDER`.

The system behind them is real, and so are its dead letters; the hour before is made up.
"""

import math
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Final

from playwright.sync_api import sync_playwright

from forwarder.operations.letter_forms import Paging
from forwarder.operations.letters import letters
from forwarder.operations.replay_forms import OneReplay, ToReplay
from forwarder.operations.replays import replay, start_replay
from forwarder.queue.history import EVERY_MS
from forwarder.queue.keys import Keys
from tests.browser.conftest import FLAGS, chromium
from tests.support.site import Site
from tests.support.tab import PHONE, WIDE, Tab
from tests.support.waiting import eventually

EVENTS: Final = 20_000
HOUR: Final = 355
REFUSALS: Final = (
    {"kind": "refuse", "field": "value", "equals": -9, "message": "is not on the scale of this workspace"},
    {"kind": "refuse", "field": "trace_id", "contains": "lost", "message": "is unknown", "status": 422},
)


def event(number: int) -> dict[str, object]:
    """Some are refused."""
    kind = "lost" if number % 200 == 5 else "chat"
    value = -9 if number % 100 == 0 else number % 11
    return {"trace_id": f"{kind}-{number:06}", "value": value, "text": "helpful, but a little long"}


def remember(site: Site) -> None:
    """The hour before: a day's curve, and an outage of some minutes whose backlog drained afterwards."""
    client, keys, books = site.operator.client, Keys(), site.status()
    now_ms = time.time_ns() // 1_000_000
    accepted, delivered, pending = books.accepted, books.delivered, 0.0
    rows = []
    for back in range(1, HOUR):
        rate = 4_000 + 2_500 * math.sin(back / 40) + 300 * math.sin(back * 7)
        down, draining = 130 < back < 160, 110 < back <= 130
        sent = 0 if down else rate + (29 * rate / 20 if draining else 0)
        pending = (160 - back) * rate if down else (back - 110) * 29 * rate / 20 if draining else 0
        dead = max(0, books.dead - back)
        at_ms = now_ms - back * EVERY_MS
        accepted, delivered = accepted - round(rate), delivered - round(sent)
        counts = (accepted, 0, delivered, dead, round(pending), round(pending) // 500, dead, 0)
        rows.append((at_ms, f"[{','.join(map(str, (at_ms, *counts)))}]"))
    client.delete(keys.history)
    for at_ms, sample in reversed(rows):
        client.xadd(keys.history, {"sample": sample}, id=f"{at_ms}-0")


def prepared(site: Site) -> dict[str, str]:
    """Something to see on every page; paths by the picture's name."""
    site.refuse(*REFUSALS)
    for first in range(0, EVENTS, 500):
        site.send([event(number) for number in range(first, first + 500)])
    assert eventually(lambda: site.status().pending == 0, 90)
    some = ToReplay(status=("400",), contains="chat-00", set=("value=5",), canary=10)
    begun = start_replay(site.operator, some)
    assert eventually(lambda: not replay(site.operator, OneReplay(id=begun.id)).active, 60)
    assert eventually(lambda: site.status().pending == 0, 60)
    site.run("pause", "eu", "--reason", "their maintenance window")
    (letter,) = letters(site.operator, Paging(limit=1)).letters
    remember(site)
    return {
        "overview": "",
        "dead-letters": "dead-letters",
        "dead-letter": f"dead-letters/{letter.id}",
        "dry-run": "replay?status=400&set=value%3D5&canary=100",
        "purge": "purge?status=422",
        "replay": f"replays/{begun.id}",
        "replays": "replays",
        "destinations": "destinations",
        "workers": "workers",
        "trail": "trail",
    }


def main(folder: Path) -> None:
    """Take them all."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="fwd-") as home, sync_playwright() as playwright:
        site = Site(Path(home), ("eu",))
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            paths = prepared(site)
            for size in (WIDE, PHONE):
                for scheme in ("light", "dark"):
                    tab = Tab(browser, site, "ann", viewport=size, color_scheme=scheme, reduced_motion="reduce")
                    for name, path in paths.items():
                        tab.go(path)
                        if tab.page.locator("[data-link]").count():
                            tab.page.locator("[data-link]").filter(has_text=re.compile("live|finished")).wait_for()
                        tab.page.screenshot(path=folder / f"{name}-{size['width']}-{scheme}.png", full_page=True)
                    tab.close()
            guest = Tab(browser, site)
            guest.go("login")
            guest.page.screenshot(path=folder / "login.png")
            guest.close()
        finally:
            browser.close()
            site.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots"))
