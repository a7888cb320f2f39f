"""Recovery: what the loop before left unfinished gets an outcome, or another attempt."""

from datetime import datetime, timedelta

from openbell import journal as journals
from openbell.journal import BACKFILL, Journal
from openbell.ledger import SLOTLESS, Claim, Ledger
from openbell.ledger.records import LOST_AT, NOT_COMPARED
from openbell.manifest import Bot, Manifest
from openbell.records import replace

_ONCE = SLOTLESS | {BACKFILL}  # triggers of runs that get no second attempt
EARLY = timedelta(seconds=1)  # a slot is claimed a moment before it is there, and its run begins when it is
AHEAD = timedelta(seconds=60)  # how far in the future a slot may lie that a clock is right about


def recover(
    manifest: Manifest,
    ledger: Ledger,
    journal: Journal,
    now: datetime,
    *,
    clean: bool = False,
    lost_commits: bool = False,
) -> list[Claim]:
    """Settle what the loop before left open; return the claims whose run is to go on, with the attempt that is to be made.

    Call it only under the loop's lock: nothing of the loop before is alive then. The journal is written before the
    ledger, so an end or a skip that the ledger does not know of is searched in the journal first.

    clean: the loop before stopped in order, so the attempts that are open were never begun. lost_commits: the ledger may
    not have all that was written into it: no attempt is repeated, since its orders may be unknown here.
    """
    if lost_commits:
        ledger.remember_all({LOST_AT: now.isoformat(), NOT_COMPARED: "yes"})
    claims = ledger.open_claims()
    ends = _read_ends(manifest, ledger, journal, claims, now)
    retry: list[Claim] = []
    ended: list[tuple[Claim, str]] = []
    bots = {bot.id: bot for bot in manifest.bots}
    for claim in claims:
        if claim.run_id in ends:
            ended.append((claim, ends[claim.run_id]))
            continue
        bot = bots.get(claim.bot)
        if ledger.is_completed(claim.bot, claim.slot):
            _write_end(claim, "succeeded", ledger, journal, now)
            ended.append((claim, "succeeded"))
            continue
        again = (
            not lost_commits
            and bot is not None
            and (_may_begin(claim, bot, now) if clean else _may_repeat(claim, bot, now))
        )
        if not (clean and again):
            _tell(claim, journal, now, again=again, clean=clean)
        if not again:
            _write_end(claim, "interrupted", ledger, journal, now)
            ended.append((claim, "interrupted"))
        elif clean:
            retry.append(claim)
        else:
            following = replace(claim, attempt=claim.attempt + 1)
            ledger.next_attempt(following)
            retry.append(following)
    journal.sync()
    ledger.finish(ended)
    return retry


def _may_begin(claim: Claim, bot: Bot, now: datetime) -> bool:
    """Tell whether the attempt, which was never begun, may still be."""
    if claim.trigger in _ONCE or now < claim.slot - EARLY:
        return False
    if claim.attempt > 1:
        return now <= bot.retry_by(claim.slot)
    return now <= bot.catch_up_by(claim.slot)


def _may_repeat(claim: Claim, bot: Bot, now: datetime) -> bool:
    """Tell whether the run may have another attempt, after one that was perhaps cut off anywhere."""
    is_in_time = claim.slot - EARLY <= now <= bot.retry_by(claim.slot)
    return claim.trigger not in _ONCE and claim.attempt <= bot.retries and is_in_time


def _tell(claim: Claim, journal: Journal, now: datetime, *, again: bool, clean: bool) -> None:
    error = (
        "the strategy was stopped before this attempt began, and started again too late for it"
        if clean
        else "the loop ended in the middle of this run (crash, kill or power cut)"
    )
    journal.write("error", now, _fields(claim), level="error", error=error, traceback="", will_retry=again)


def _write_end(claim: Claim, outcome: str, ledger: Ledger, journal: Journal, now: datetime) -> None:
    orders = ledger.orders(claim.bot, claim.slot)
    unsettled = [order.client_order_id for order in orders if order.status == "intended"]
    journal.write(
        "run_end",
        now,
        _fields(claim),
        level="info" if outcome == "succeeded" else "error",
        outcome=outcome,
        tick_duration_ms=None,
        signal_generated=bool(orders),
        orders=len(orders),
        trigger=claim.trigger,
        **({"uncertain_orders": unsettled} if unsettled else {}),
    )


def _fields(claim: Claim) -> dict[str, object]:
    return {"bot": claim.bot, "slot": claim.slot, "run_id": claim.run_id, "attempt": claim.attempt}


def _read_ends(
    manifest: Manifest, ledger: Ledger, journal: Journal, claims: list[Claim], now: datetime
) -> dict[str, str]:
    """Return the outcomes by run_id that the journal has of open claims; take up skips that the ledger missed."""
    # A stream has no slots to account for: its account stays where it began, months of journal ago.
    accounted = {bot.id: ledger.accounted_until(bot.id) for bot in manifest.bots if not bot.is_stream}
    known = [claim.started_at for claim in claims] + [until for until in accounted.values() if until is not None]
    if not known:
        return {}
    known.append(now)  # earlier than all of them if the clock was set back: so are the lines written since
    open_runs = {claim.run_id for claim in claims}
    ends: dict[str, str] = {}
    skipped: list[tuple[str, datetime]] = []
    first = min(known).date()
    journal.settle(first)  # the ledger must not rely on lines that the next power cut could take
    for event in journal.since(first):
        if event["event"] == "run_end" and event.get("run_id") in open_runs:
            ends[str(event["run_id"])] = str(event.get("outcome"))
        elif event["event"] == "slot_skipped":
            bot, slot = str(event.get("bot")), journals.instant(event.get("slot"))
            until = accounted.get(bot)
            # A slot that is yet to come was passed over by a clock that was ahead: it is not accounted for.
            if slot is not None and until is not None and until < slot <= now + AHEAD:
                skipped.append((bot, slot))
        elif event["event"] == "clock_stepped" and str(event.get("by_s")).startswith("-"):
            at = journals.instant(event.get("timestamp"))
            skipped = [(bot, slot) for bot, slot in skipped if at is None or slot <= at + AHEAD]
    if skipped:
        ledger.account(skipped)
    return ends
