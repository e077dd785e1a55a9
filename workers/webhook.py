"""Post notices to the webhook, signed as Standard Webhooks has it (https://www.standardwebhooks.com, version 1)."""

import base64
import binascii
import hashlib
import hmac
import json
import time
from datetime import UTC, datetime
from typing import Final

import httpx
from msgspec.structs import replace

from forwarder import clock
from forwarder.log import get_logger
from forwarder.queue import lock, notices
from forwarder.queue.connection import Client
from forwarder.queue.keys import Keys
from forwarder.queue.notices import Notice
from forwarder.settings import Settings
from workers.backoff import delay_s

TIMEOUT_S: Final = 10.0
POSTS_MAX: Final = 5
"""Of one job, so that it ends in time (`errands.JOB_S`) though each may take twice TIMEOUT_S; others are left to the
next."""
GIVEN_UP_AFTER_MS: Final = 86_400_000
BACKOFF_BASE_MS: Final = 2_000
BACKOFF_MAX_MS: Final = 600_000
_PREFIX: Final = "whsec_"


def post_outbox(settings: Settings, client: Client, keys: Keys) -> int:
    """Post what is due; what fails is put off, and given up after a day. Answers how many have arrived."""
    arrived, now_ms = 0, clock.now_ms()
    due = [notice for notice in notices.outbox(client, keys) if notice.due <= now_ms]
    with httpx.Client(timeout=TIMEOUT_S) as http:
        for notice in due[:POSTS_MAX]:
            lock.extend(client, keys.posting, round(TIMEOUT_S * 2_000))
            problem = _post(settings, http, notice)
            _book(client, keys, notice, problem)
            arrived += not problem
    lock.release(client, keys.posting)
    return arrived


def payload(notice: Notice) -> bytes:
    """What is posted."""
    moment = datetime.fromtimestamp(notice.at / 1000, UTC).isoformat(timespec="milliseconds")
    body = {"type": notice.kind, "timestamp": moment, "data": {"destination": notice.destination, **notice.facts}}
    return json.dumps(body).encode()


def signature(secret: str, notice_id: str, timestamp: int, body: bytes) -> str:
    """HMAC-SHA256 of id, time and body.

    Args:
        secret: `whsec_` and base64, as such secrets are usually given, or any text.
        notice_id: of the notice.
        timestamp: seconds since 1970.
        body: as it is posted.
    """
    signed = b"%b.%d.%b" % (notice_id.encode(), timestamp, body)
    return "v1," + base64.b64encode(hmac.digest(_key(secret), signed, hashlib.sha256)).decode()


def _key(secret: str) -> bytes:
    if secret.startswith(_PREFIX):
        try:
            return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
        except binascii.Error:
            pass  # then it is a text that happens to begin so
    return secret.encode()


def _post(settings: Settings, http: httpx.Client, notice: Notice) -> str:
    """Post one; answers what went wrong, empty when nothing did."""
    if settings.webhook_url is None or settings.webhook_secret is None:
        return "no webhook is configured any more"
    body, timestamp = payload(notice), round(time.time())
    headers = {
        "content-type": "application/json",
        "webhook-id": notice.id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": signature(settings.webhook_secret.get_secret_value(), notice.id, timestamp, body),
    }
    try:
        with http.stream("POST", settings.webhook_url, content=body, headers=headers) as answer:  # its body may be long
            return "" if answer.is_success else f"HTTP {answer.status_code}"
    except httpx.HTTPError as error:
        return f"{type(error).__name__}: {error}"


def _book(client: Client, keys: Keys, notice: Notice, problem: str) -> None:
    log, now_ms = get_logger(notice=notice.id, kind=notice.kind), clock.now_ms()
    if not problem:
        notices.posted(client, keys, notice)
        log.info("notice_posted", attempts=notice.attempts + 1)
    elif now_ms - notice.at > GIVEN_UP_AFTER_MS:
        notices.posted(client, keys, notice)
        log.error("notice_given_up", error=problem, attempts=notice.attempts + 1)
    else:
        attempts = notice.attempts + 1
        wait_s = delay_s(attempts, BACKOFF_BASE_MS, BACKOFF_MAX_MS, 1.0)
        notices.put_off(client, keys, replace(notice, attempts=attempts, due=now_ms + round(wait_s * 1000)))
        log.warning("notice_not_posted", error=problem, attempts=attempts, wait_s=wait_s)
