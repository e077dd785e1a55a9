"""The account of a batch: one line of the log, and counters of the ledger, from which metrics and console are made."""

import logging

from forwarder.log import get_logger
from forwarder.queue.histograms import BATCH_BYTES, BATCH_EVENTS, DELIVER_MS
from workers.outcome import Outcome


def account(outcome: Outcome, seconds: float, now_ms: int) -> None:
    """Log what became of a batch, and add its measures to its tally.

    Args:
        outcome: of the batch, before it is settled.
        seconds: that it was in the drain's hands.
        now_ms: the time (ms since 1970).
    """
    batch, refused, left = outcome.batch, outcome.refused, outcome.left
    delivered = batch.count - refused - left
    if refused or left or logging.getLogger().isEnabledFor(logging.DEBUG):
        _log(outcome, delivered, seconds)
    if delivered:
        DELIVER_MS.observe(outcome.tally, max(0, now_ms - batch.at_ms), delivered)
    if not left:
        BATCH_EVENTS.observe(outcome.tally, batch.count)
        BATCH_BYTES.observe(outcome.tally, len(batch.body))


def _log(outcome: Outcome, delivered: int, seconds: float) -> None:
    batch, log = outcome.batch, get_logger()
    facts = {
        "batch": batch.id,
        "status": outcome.status,
        "attempts": outcome.attempts,
        "requests": outcome.tally["requests"],
        "events": batch.count,
        "bytes": len(batch.body),
        "delivered": delivered,
        "refused": outcome.refused,
        "seconds": round(seconds, 4),
    }
    if outcome.left:
        log.info("handed_back", **facts, left=outcome.left, next="the next drain takes them over")
    elif outcome.refused:
        log.info("refused", **facts, reasons=sorted({refusal.reason for refusal in outcome.refusals}))
    else:
        log.debug("settled", **facts)
