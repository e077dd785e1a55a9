"""A tab of a real browser, held to the rules of our pages: no error in its console, nothing that the policy forbids."""

import re
from typing import Any

from playwright.sync_api import Browser, ConsoleMessage, Error, Locator, Page, Response, expect

from tests.support.site import PASSWORD, Site

WIDE = {"width": 1280, "height": 900}
PHONE = {"width": 390, "height": 844}
SOON_MS = 60_000
"""For what other processes bring about."""

expect.set_options(timeout=SOON_MS)


class Tab:
    """One tab, with cookies of its own.

    Args:
        browser: Chromium.
        site: whose console it shows.
        name: logs in as this one; empty not to.
        options: of Playwright's context.

    Attributes:
        problems: what its console complained of.
        tolerated: words of complaints that the test brings about on purpose.
    """

    def __init__(self, browser: Browser, site: Site, name: str = "", **options: Any) -> None:  # noqa: ANN401 - Playwright's
        self.site = site
        self.context = browser.new_context(**({"viewport": WIDE} | options))
        self.context.set_default_timeout(SOON_MS)
        self.page: Page = self.context.new_page()
        self.problems: list[str] = []
        self.tolerated: list[str] = []
        self.page.on("console", self._heard)
        self.page.on("pageerror", self._failed)
        if name:
            self.login(name)

    def login(self, name: str, password: str = PASSWORD) -> None:
        """Fill in the form."""
        self.go("")
        self.page.get_by_label("Name").fill(name)
        self.page.get_by_label("Password or token").fill(password)
        self.page.get_by_role("button", name="Log in").click()

    def go(self, path: str) -> Response:
        """Load a page of the console."""
        response = self.page.goto(f"{self.site.console}/{path}")
        assert response
        return response

    def click(self, name: str, role: Any = "button") -> None:  # noqa: ANN401 - any of ARIA's roles
        """Click what has this name."""
        self.page.get_by_role(role, name=name).first.click()

    def confirm(self, name: str) -> None:
        """Click, and say yes in the dialog."""
        self.click(name)
        self.page.get_by_role("dialog").get_by_role("button", name=name).click()

    def figure(self, name: str, within: str = "main") -> Locator:
        """A figure by its name, with what stands below it."""
        return self.page.locator(within).locator(".figures > div").filter(has_text=re.compile(f"^\\s*{name}"))

    def number(self, name: str, within: str = "main") -> int:
        """A figure as a number."""
        return int(self.figure(name, within).locator(".big").inner_text().replace(",", ""))

    @property
    def csrf(self) -> str:
        """What the forms of this session carry."""
        return self.page.locator("input[name=csrf]").first.get_attribute("value") or ""

    def posted(self, path: str, **fields: str) -> int:
        """Post a form from inside the page, as a script would; the answer's status."""
        script = """async ([url, fields]) => (await fetch(url, {
            method: "POST", redirect: "manual", body: new URLSearchParams(fields)})).status"""
        return int(self.page.evaluate(script, [f"{self.site.console}/{path}", fields]))

    def close(self) -> None:
        """Close it; nothing may have been complained of."""
        self.context.close()
        assert not self.problems, self.problems

    def _heard(self, message: ConsoleMessage) -> None:
        if message.type in ("error", "warning"):
            self._note(message.text)

    def _failed(self, error: Error) -> None:
        self._note(str(error))

    def _note(self, text: str) -> None:
        if not any(word in text for word in self.tolerated):
            self.problems.append(text)
