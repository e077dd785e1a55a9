"""The console for tests: `forwarder serve` with users, and browsers that log in as them."""

import re

import httpx

from forwarder.console.hashes import hash_password, hash_token
from tests.support.ingest import Ingest

PASSWORD = "correct horse battery"
TOKEN = "a-token-that-is-only-for-tests"
LOOKS = "another-token-only-for-tests"
USERS = {
    "FORWARDER_CONSOLE_USERS__ANN__PASSWORD": hash_password(PASSWORD),
    "FORWARDER_CONSOLE_USERS__ANN__ROLE": "operator",
    "FORWARDER_CONSOLE_USERS__VIC__PASSWORD": hash_password(PASSWORD),
    "FORWARDER_CONSOLE_TOKENS__CI__TOKEN": hash_token(TOKEN),
    "FORWARDER_CONSOLE_TOKENS__CI__ROLE": "operator",
    "FORWARDER_CONSOLE_TOKENS__EYE__TOKEN": hash_token(LOOKS),
}
"""ann is an operator, vic a viewer; likewise the tokens ci and eye."""


class Browser:
    """Somebody's browser.

    Args:
        ingest: serves the console.
        name: logs in as this one; empty not to.
    """

    def __init__(self, ingest: Ingest, name: str = "") -> None:
        self.http = ingest.new_client()
        if name:
            answer = self.login(name, PASSWORD)
            assert answer.status_code == 303, answer.text

    def login(self, name: str, password: str, **fields: str) -> httpx.Response:
        """Send the form."""
        return self.http.post("/console/login", data={"name": name, "password": password, **fields})

    @property
    def csrf(self) -> str:
        """What the forms of this session carry."""
        found = re.search(r'name="csrf" value="([^"]+)"', self.http.get("/console/").text)
        assert found
        return found[1]
