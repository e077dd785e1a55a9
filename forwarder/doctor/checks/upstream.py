"""Checks of the upstreams: can they be reached, and do they take our key? Pure."""

from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from forwarder.doctor.facts import Facts
from forwarder.doctor.finding import Finding, fault, ok, warning
from forwarder.doctor.upstream import UpstreamFacts
from forwarder.listening import is_loopback
from forwarder.settings import scope_of

CERTIFICATE_MIN_DAYS: Final = 14
_UNREACHED: Final = {
    "nothing": ("its host name is not found", "see {scope}BASE_URL, and the DNS of this machine"),
    "name": ("no connection can be made", "see {scope}BASE_URL, firewalls and proxies; is it up?"),
    "connection": ("there is no TLS", "see its certificate, and the CA certificates of this machine (ca-certificates)"),
    "tls": ("it does not answer", "is it up? FORWARDER_REQUEST_TIMEOUT_S bounds the wait"),
}
_REFUSALS: Final = {
    401: ("the key is not accepted", "set {scope}API_KEY, or {scope}API_KEY_FILE, to one that is in force"),
    403: ("the key may not send feedback", "give the key that right, or set {scope}API_KEY to one that has it"),
    402: ("the account is not paid", "see to the account's plan; delivery resumes by itself"),
    404: ("there is no such path", "see {scope}BASE_URL and {scope}FEEDBACK_PATH"),
    405: ("the path takes no POST", "see {scope}BASE_URL and {scope}FEEDBACK_PATH"),
}


def plaintext(facts: Facts) -> Iterator[Finding]:
    """Do events and keys go in the clear?"""
    for one in facts.upstreams:
        parts = urlsplit(one.url)
        if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
            yield warning(
                _check(one),
                f"{one.url} carries events and key unencrypted",
                "use https:// if it has it; the way must be trusted",
            )


def answer(facts: Facts) -> Iterator[Finding]:
    """How far did we come, and what did it say to our key?"""
    for one in facts.upstreams:
        yield _judged(one)


def certificate(facts: Facts) -> Iterator[Finding]:
    """Does it run out?"""
    for one in facts.upstreams:
        if one.certificate_days is not None and one.certificate_days < CERTIFICATE_MIN_DAYS:
            yield warning(
                _check(one), f"its certificate runs out in {one.certificate_days:.0f} days", "tell who runs it"
            )


def _judged(one: UpstreamFacts) -> Finding:
    check, scope = _check(one), scope_of(one.destination)
    if one.reached != "answer":
        problem, mend = _UNREACHED[one.reached]
        return fault(check, f"{one.url}: {problem}: {one.error}", mend.format(scope=scope))
    status = one.status or 0
    if status in _REFUSALS and (one.has_key or status != 401):  # noqa: PLR2004 - HTTP's number is clearer
        problem, mend = _REFUSALS[status]
        return fault(check, f"{one.url}: {problem} (HTTP {status}: {one.words})", mend.format(scope=scope))
    if not one.has_key:
        return fault(check, f"{one.url}: no key is set", f"set {scope}API_KEY; `forwarder up` uses a sandbox without")
    if 300 <= status < 400:  # noqa: PLR2004 - as above
        problem = f"it redirects (HTTP {status}), and a key is never sent on"
        return fault(check, f"{one.url}: {problem}", f"set {scope}BASE_URL to where it leads")
    if status == 429 or status >= 500:  # noqa: PLR2004 - as above
        return warning(check, f"{one.url}: it is unwell (HTTP {status}: {one.words})", "events wait until it is well")
    return ok(check, f"{one.url} answers, and takes the key")


def _check(one: UpstreamFacts) -> str:
    return f"upstream {one.destination}"
