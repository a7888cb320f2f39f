"""Recovery: what the loop before left unfinished gets an outcome, or another attempt."""

from dataclasses import replace
from datetime import datetime

from openbell import journal as journals
from openbell.journal import Journal
from openbell.ledger import Claim, Ledger
from openbell.manifest import Manifest


def recover(manifest: Manifest, ledger: Ledger, journal: Journal, now: datetime) -> list[Claim]:
    """Settle what a crash left open; return the claims whose run is to be tried once more, with their next attempt.

    Call it only under the loop's lock: nothing of the loop before is alive then. The journal is written before the
    ledger, so an end or a skip that the ledger does not know of is looked for in the journal first.
    """
    claims = ledger.open_claims()
    ends = _read_ends(manifest, ledger, journal, claims)
    retry: list[Claim] = []
    ended: list[tuple[Claim, str]] = []
    bots = {bot.id: bot for bot in manifest.bots}
    for claim in claims:
        if claim.run_id in ends:
            ended.append((claim, ends[claim.run_id]))
            continue
        bot = bots.get(claim.bot)
        again = (
            bot is not None
            and claim.trigger != "manual"
            and claim.attempt <= bot.retries
            and claim.slot <= now <= bot.retry_by(claim.slot)
        )
        _tell(claim, ledger, journal, now, again=again)
        if again:
            following = replace(claim, attempt=claim.attempt + 1)
            ledger.next_attempt(following)
            retry.append(following)
        else:
            ended.append((claim, "interrupted"))
    journal.sync()
    ledger.finish(ended)
    return retry


def _tell(claim: Claim, ledger: Ledger, journal: Journal, now: datetime, *, again: bool) -> None:
    fields: dict[str, object] = {"bot": claim.bot, "slot": claim.slot, "run_id": claim.run_id, "attempt": claim.attempt}
    orders = ledger.orders(claim.bot, claim.slot)
    unsettled = [order.client_order_id for order in orders if order.status == "intended"]
    error = "the loop ended in the middle of this run (crash, kill or power cut)"
    journal.write("error", now, fields, level="error", error=error, traceback="", will_retry=again)
    if not again:
        journal.write(
            "run_end",
            now,
            fields,
            level="error",
            outcome="interrupted",
            tick_duration_ms=None,
            signal_generated=bool(orders),
            orders=len(orders),
            trigger=claim.trigger,
            **({"uncertain_orders": unsettled} if unsettled else {}),
        )


def _read_ends(manifest: Manifest, ledger: Ledger, journal: Journal, claims: list[Claim]) -> dict[str, str]:
    """Return the outcomes by run_id that the journal has of open claims; take up skips that the ledger missed."""
    accounted = {bot.id: ledger.accounted_until(bot.id) for bot in manifest.bots}
    known = [claim.started_at for claim in claims] + [until for until in accounted.values() if until is not None]
    if not known:
        return {}
    open_runs = {claim.run_id for claim in claims}
    ends: dict[str, str] = {}
    skipped: list[tuple[str, datetime]] = []
    for event in journals.since(journal.folder, min(known).date()):
        if event["event"] == "run_end" and event.get("run_id") in open_runs:
            ends[str(event["run_id"])] = str(event.get("outcome"))
        elif event["event"] == "slot_skipped":
            bot, slot = str(event.get("bot")), journals.instant(event.get("slot"))
            until = accounted.get(bot)
            if slot is not None and until is not None and slot > until:
                skipped.append((bot, slot))
    if skipped:
        ledger.account(skipped)
    return ends
