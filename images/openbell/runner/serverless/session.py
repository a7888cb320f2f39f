"""A session: from the call of a function to its answer. Decides, claims, runs and retries as the loop does.

Instances on several machines may be in a session of the same strategy at once. They decide one after the other, each on
what the one before has left in the ledger; what runs is claimed there, and leased, so that a run that goes on elsewhere
is told apart from one that was cut off.
"""

import sqlite3
import time
from collections.abc import Iterable
from datetime import datetime, timedelta
from functools import partial

from openbell import clock
from openbell.control import Control, Request
from openbell.ledger import Claim
from openbell.manifest import Bot, Manifest
from openbell.postgres.journal import PostgresJournal
from openbell.postgres.ledger import LEASE, PostgresLedger
from openbell.records import dataclass
from openbell.runner.decide import Skip, decide
from openbell.runner.processes import Launcher
from openbell.runner.recovery import recover
from openbell.runner.runs import Runs, new_run_id
from openbell.slots import next_slot

TRIGGER = "serverless"
RENEW = 5.0  # seconds between two words that the runs go on
POLL = 0.005  # seconds between two checks of the runs
TICK = timedelta(microseconds=1)


class BusyError(Exception):
    """The bot cannot run now; one line that says why."""


class LeaseLostError(Exception):
    """The database was silent for so long that another instance may soon take over: no run may go on here."""


class Clock:
    """The machine's clock. A function may be called on any thread, so no signal ends a wait."""

    def now(self) -> datetime:
        """Return the wall clock's instant, aware UTC."""
        return clock.now()

    def elapsed(self) -> float:
        """Return the monotonic clock's seconds."""
        return clock.elapsed()

    def wait(self, seconds: float) -> None:
        """Wait, but not past the next check of the runs."""
        time.sleep(max(0.0, min(seconds, POLL)) / clock.SPEED)


@dataclass(frozen=True)
class Store:
    """What outlives the function."""

    ledger: PostgresLedger
    journal: PostgresJournal
    control: Control


class Session:
    """One call of a function."""

    def __init__(self, manifest: Manifest, store: Store, launcher: Launcher) -> None:
        self._bots = {bot.id: bot for bot in manifest.bots if not bot.is_stream}
        self._manifest = manifest
        self._ledger, self._journal, self._control = store.ledger, store.journal, store.control
        self._clock = Clock()
        self._runs = Runs(self._clock, store.ledger, store.journal, store.control, launcher, manifest)
        self._until: dict[str, datetime] = {}  # per bot: slots up to here are decided on
        self._renewed_at = self._clock.elapsed()
        self.run_ids: list[str] = []

    def run_due(self, ahead: timedelta) -> None:
        """Run what is due now, and what comes due within `ahead`; return when all of it has ended."""
        last = self._clock.now() + ahead
        self._decide()
        while True:
            due = self._next_due()
            comes = due is not None and due <= last
            if due is not None and comes and due <= self._clock.now():
                self._decide()
            elif not self._runs.bots() and not comes:
                return
            self._turn()

    def run_now(self, bot: Bot, by: str) -> None:
        """Run a bot now, for no slot; BusyError if it may not."""
        with self._ledger.deciding():
            now = self._clock.now()
            if any(claim.bot == bot.id for claim in self._ledger.alive_claims()):
                msg = f"a run of {bot.id} is in progress"
                raise BusyError(msg)
            pause = self._control.paused(bot.id)
            if pause is not None and pause.holds(now):
                msg = f"{bot.id} is paused by {pause.by}: {pause.reason}"
                raise BusyError(msg)
            claim = Claim(bot.id, now, new_run_id(), 1, "manual", now)
            self._runs.queue(claim, bot, request=Request(claim.run_id, bot.id, by, now))
            self._start([claim])
        while self._runs.bots():
            self._turn()

    def end(self) -> None:
        """Say that nothing of this session goes on."""
        if self.run_ids:
            self._ledger.release(self.run_ids)

    def _decide(self) -> None:
        with self._ledger.deciding():
            now = self._clock.now()
            unfinished = [claim for claim in self._recovered(now) if claim.bot in self._bots]
            elsewhere = {claim.bot for claim in self._ledger.alive_claims()} | {claim.bot for claim in unfinished}
            claims = list(unfinished)
            for claim in unfinished:
                self._runs.queue(claim, self._bots[claim.bot], claimed=True)
            for bot in self._bots.values():
                busy = bot.id in elsewhere or self._runs.of(bot.id) is not None
                decision = decide(bot, self._accounted(bot, now), now, busy=busy, pause=self._control.paused(bot.id))
                self._pass_over(decision.skips, now)
                if decision.run is not None:
                    claims.append(Claim(bot.id, decision.run, new_run_id(), 1, TRIGGER, now))
                    self._runs.queue(claims[-1], bot)
                decided = [skip.last for skip in decision.skips] + ([decision.run] if decision.run else [])
                self._until[bot.id] = max([self._until[bot.id], *decided])
            self._start(claims)

    def _recovered(self, now: datetime) -> list[Claim]:
        """Settle the runs that were cut off, and return those that are to go on here."""
        mine = set(self.run_ids)
        if not any(claim.run_id not in mine for claim in self._ledger.open_claims()):
            return []
        return recover(self._manifest, self._ledger, self._journal, now)

    def _accounted(self, bot: Bot, now: datetime) -> datetime:
        """Return the newest slot that is decided on. A new bot owes what is within its grace, one with a new schedule too."""
        until = self._ledger.accounted_until(bot.id)
        fact, meaning = f"schedule of {bot.id}", repr(bot.schedule)
        if until is None or (bot.id not in self._until and self._ledger.fact(fact) != meaning):
            until = max(now - bot.shift - bot.grace - TICK, until or now - timedelta(days=400))
            self._ledger.account([(bot.id, until)])
            self._ledger.remember(fact, meaning)
        self._until[bot.id] = max(until, self._until.get(bot.id, until))
        return self._until[bot.id]

    def _pass_over(self, skips: Iterable[Skip], now: datetime) -> None:
        for skip in skips:
            tell = partial(self._journal.write, "slot_skipped", now, skip.fields(), level="warning")
            self._ledger.account_telling(skip.bot, skip.last, tell)

    def _start(self, claims: Iterable[Claim]) -> None:
        run_ids = [claim.run_id for claim in claims]
        if run_ids:
            self._ledger.lease(run_ids)  # before they are claimed: at no time does a run look as if it were cut off
            self.run_ids += run_ids
            self._renewed_at = self._clock.elapsed()
        self._runs.start(self._clock.elapsed())

    def _turn(self) -> None:
        """Do what is to be done about the runs now, and wait a moment."""
        steady = self._clock.elapsed()
        self._runs.watch(steady)
        try:
            if steady - self._renewed_at >= RENEW and self._runs.bots():
                self._ledger.lease(self.run_ids)
                self._renewed_at = steady
            self._runs.end(steady)
            self._pass_over_late()
            self._runs.start(steady)
        except (OSError, sqlite3.Error) as error:
            if steady - self._renewed_at >= LEASE - RENEW:
                msg = f"the database was silent for too long ({error}): the runs were ended, and will be found cut off"
                raise LeaseLostError(msg) from error
        self._clock.wait(min(self._runs.waits(steady), default=POLL))

    def _pass_over_late(self) -> None:
        now = self._clock.now()
        for waiting in self._runs.unclaimed():
            bot, slot = waiting.bot, waiting.claim.slot
            if now > bot.catch_up_by(slot) and not waiting.may_start_late:
                self._runs.drop(bot.id)
                self._pass_over([Skip(bot.id, slot, slot, 1, "missed", "late")], now)

    def give_up(self) -> None:
        """Kill the runs that go on; another session finds them cut off when their lease is over."""
        for bot_id in self._runs.bots():
            active = self._runs.of(bot_id)
            if active is not None and active.process is not None:
                active.process.kill()
                while active.process.poll() is None:
                    time.sleep(POLL)

    def _next_due(self) -> datetime | None:
        """Return when the next slot comes due of a bot that has no run in progress."""
        due = [
            slot + bot.shift
            for bot in self._bots.values()
            if self._runs.of(bot.id) is None
            if (slot := next_slot(bot.schedule, self._until[bot.id])) is not None
        ]
        return min(due, default=None)
