"""A real Chromium, and `forwarder up` behind it.

Both live as long as a module: Playwright's loop counts as a running one, which the tests of other modules may not meet.
"""

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, sync_playwright

from tests.support.site import Site
from tests.support.tab import Tab

NAMES = ("chromium", "chromium-browser", "google-chrome")
FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--disable-dev-shm-usage"),
]
DESTINATIONS = ("outage", "mend", "edit", "canary", "slow", "purge", "xss")
"""One for each story, so that none meets another's letters."""

OpenTab = Callable[..., Tab]


def chromium() -> str:
    """Where Chromium is; without one the test is skipped, and fails where CI runs it."""
    found = next((path for name in NAMES if (path := shutil.which(name))), "")
    if not found:
        reason = f"no Chromium on this machine (none of {', '.join(NAMES)}): apt-get install chromium"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    path = chromium()
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=path, args=FLAGS, timeout=60_000)
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    chromium()
    with tempfile.TemporaryDirectory(prefix="fwd-") as folder:
        started = Site(Path(folder), DESTINATIONS)
        yield started
        started.stop()


@pytest.fixture
def open_tab(browser: Browser, site: Site) -> Iterator[OpenTab]:
    """Opens a tab as somebody; what its console complains of fails the test."""
    tabs: list[Tab] = []

    def opened(name: str = "ann", **options: Any) -> Tab:  # noqa: ANN401 - Playwright's own
        tabs.append(Tab(browser, site, name, **options))
        return tabs[-1]

    yield opened
    for tab in tabs:
        tab.close()


@pytest.fixture
def tab(open_tab: OpenTab) -> Tab:
    """An operator's."""
    return open_tab()
