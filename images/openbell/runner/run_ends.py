"""How runs end: written down with exactly one outcome, retried if they may be, and their bot paused after failures in a row."""

from datetime import datetime, timedelta
from functools import partial

from openbell.control import Control, Pause
from openbell.journal import Journal
from openbell.ledger import Claim, EpochLostError, Ledger
from openbell.records import replace
from openbell.runner.active import Active, milliseconds
from openbell.runner.clock import Clock
from openbell.runner.processes import Ending

BACKOFF_LONGEST = 30.0  # seconds between two attempts


class RunEnds:
    """Writes the ends of runs. What cannot be written raises OSError or sqlite3.Error and is tried again.

    active: the runs in progress by bot; one that has ended is removed, one that is retried replaced.
    """

    def __init__(
        self, clock: Clock, ledger: Ledger, journal: Journal, control: Control, active: dict[str, Active]
    ) -> None:
        self._clock = clock
        self._ledger = ledger
        self._journal = journal
        self._control = control
        self._active = active

    def write(self, steady: float) -> None:
        """Write down the ends that came, in the journal first; retry what may be retried."""
        ended: list[tuple[Claim, str]] = []
        for active in [active for active in self._active.values() if active.ending is not None]:
            try:
                if not active.told:
                    self._ledger.tell_if_owned(active.claim, partial(self._tell_failure, active))
                    active.told = True
                if active.retry_in is not None:
                    self._retry(active, steady + active.retry_in)
                    continue
                if not active.ended:
                    self._ledger.tell_if_owned(active.claim, partial(self._write_end, active))
                    active.ended = True
            except EpochLostError:
                del self._active[active.bot.id]  # the run goes on elsewhere, and is told there
                continue
            ended.append((active.claim, active.outcome))
        if not ended:
            return
        # The journal first: should the ledger not get to know, the next loop finds the end in the journal.
        self._journal.sync()
        self._ledger.finish(ended)
        for claim, outcome in ended:
            if outcome != "succeeded":
                self._halt(self._active[claim.bot])
            del self._active[claim.bot]

    def _retry(self, active: Active, at: float) -> None:
        claim = replace(active.claim, attempt=active.claim.attempt + 1)
        self._ledger.next_attempt(claim)
        self._active[claim.bot] = Active(
            claim, active.bot, active.queued_at, active.request, claimed=True, attempt_at=at
        )

    def _tell_failure(self, active: Active) -> None:
        failure = active.ending.failure if active.ending else None
        if failure is None:
            return
        bot, slot, attempt = active.bot, active.claim.slot, active.claim.attempt
        if self._ledger.is_completed(bot.id, slot):
            # It did all that it was to do, and only then its process was lost.
            active.ending = Ending(None)
            return
        now = self._clock.now()
        backoff = min(2.0 ** (attempt - 1), BACKOFF_LONGEST)
        may_retry = (
            not bot.is_stream
            and active.begun
            and active.stack is None
            and attempt <= bot.retries
            and active.request is None
        )
        if may_retry and slot <= now and now + timedelta(seconds=backoff) <= bot.retry_by(slot):
            active.retry_in = backoff
        self._journal.write(
            "error",
            now,
            active.run.fields(),
            level="error",
            error=failure.error,
            traceback=failure.traceback,
            will_retry=active.retry_in is not None,
        )

    def _write_end(self, active: Active) -> None:
        orders = self._ledger.orders(active.bot.id, active.claim.slot)
        unsettled = [order.client_order_id for order in orders if order.status == "intended"]
        self._journal.write(
            "run_end",
            self._clock.now(),
            active.run.fields(),
            level="info" if active.outcome == "succeeded" else "error",
            outcome=active.outcome,
            tick_duration_ms=milliseconds(active.duration),
            signal_generated=bool(orders),
            orders=len(orders),
            trigger=active.claim.trigger,
            **({"uncertain_orders": unsettled} if unsettled else {}),
        )

    def _halt(self, active: Active) -> None:
        bot, fact = active.bot, f"halted {active.bot.id}"
        if bot.halt_after == 0:
            return
        before = self._ledger.fact(fact)  # after a resume the failures count anew
        after = datetime.fromisoformat(before) if before else None
        if self._ledger.failures_in_a_row(bot.id, bot.halt_after, after) < bot.halt_after:
            return
        now = self._clock.now()
        reason = f"{bot.halt_after} failures in a row"
        self._control.pause(bot.id, Pause(now, None, "openbell", reason))
        self._journal.write("bot_paused", now, level="error", bot=bot.id, by="openbell", reason=reason)
        self._ledger.remember(fact, active.claim.slot.isoformat())
