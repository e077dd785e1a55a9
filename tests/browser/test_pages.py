"""Each page, wide and on a phone, light and dark: no sideways scrolling, nothing that keeps anybody out."""

import json
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import expect

from forwarder.operations.letter_forms import Paging
from forwarder.operations.letters import letters
from tests.browser.conftest import OpenTab
from tests.support.site import Site
from tests.support.tab import PHONE, WIDE
from tests.support.waiting import eventually

pytestmark = pytest.mark.timeout(300)
SERIOUS = ("serious", "critical")
PAGES = (
    *("login", "", "dead-letters", "LETTER", "replay?reason=rejected&set=value=5", "purge?reason=rejected"),
    *("replays", "REPLAY", "destinations", "workers", "trail"),
)


@pytest.fixture(scope="module")
def pages(site: Site) -> dict[str, str]:
    """The paths of all pages, with something to show on each."""
    site.refuse({"kind": "refuse", "field": "value", "equals": -9})
    site.send([{"trace_id": f"t-{number}", "value": -9, "text": "long " * 60} for number in range(70)])
    assert eventually(lambda: site.status().dead == 70)
    begun = site.run("replay", "--limit", "5", "--background", "--yes", "--json").stdout
    (letter,) = letters(site.operator, Paging(limit=1)).letters
    site.run("pause", "slow")
    known = {"LETTER": f"dead-letters/{letter.id}", "REPLAY": f"replays/{json.loads(begun)['id']}"}
    return {name: known.get(name, name) for name in PAGES}


@pytest.mark.parametrize(("size", "scheme"), [(WIDE, "light"), (PHONE, "dark")], ids=["1280-light", "390-dark"])
def test_a_page_fits_and_keeps_nobody_out(
    open_tab: OpenTab, pages: dict[str, str], size: dict[str, int], scheme: str
) -> None:
    tab, axe, found = open_tab(viewport=size, color_scheme=scheme, reduced_motion="reduce"), Axe(), {}
    for name, path in pages.items():
        response = tab.go(path)
        assert response.status == 200, path
        policy = response.headers["content-security-policy"]
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        expect(tab.page.get_by_role("heading", level=1)).to_have_count(1)
        wide = tab.page.evaluate("document.documentElement.scrollWidth")
        assert wide <= size["width"], f"{path} is {wide} px wide"
        found[name or "overview"] = serious(axe.run(tab.page).response)
    assert not any(found.values()), found


def serious(response: dict[str, Any]) -> list[str]:
    """What axe-core finds that keeps people out."""
    return [
        f"{one['id']}: {one['help']}: {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in response["violations"]
        if one["impact"] in SERIOUS
    ]
