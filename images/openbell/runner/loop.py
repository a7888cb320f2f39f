"""The loop: wakes at slots, decides, claims, starts runs, watches them, and writes down how each ended.

`step()` does what is to be done now and returns how long nothing more will be; `service.py` calls it in turn with a wait.
Nothing here runs strategy code, and nothing here waits.
"""

import os
import sqlite3
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import schedule

from openbell import beat
from openbell.context import Run
from openbell.control import Control, Pause, Request
from openbell.journal import Journal
from openbell.ledger import Claim, Ledger
from openbell.manifest import Bot, Manifest
from openbell.runner.clock import LONGEST_WAIT, Clock
from openbell.runner.decide import Decision, Skip, decide
from openbell.runner.jobs import SlotJob
from openbell.runner.processes import Ending, Failure, Launcher, RunProcess

CLOCK_STEP = 1.0  # seconds by which the wall clock may leave the steady one before that is a step
STACK_WAIT = 0.5  # seconds that a hung run is given to dump its stack
HOLD_OFF = 1.0  # seconds before what could not be written is tried again
BACKOFF_LONGEST = 30.0  # seconds between two attempts


@dataclass
class Active:
    """A slot on its way from being due to having an outcome: queued, running, or waiting for its next attempt."""

    claim: Claim
    bot: Bot
    queued_at: float  # elapsed seconds
    request: Request | None = None
    claimed: bool = False
    begun: bool = False  # run_start of the current attempt is written
    started_at: float = 0.0
    attempt_at: float = 0.0  # elapsed seconds before which the next attempt may not start
    process: RunProcess | None = None
    asked_stack_at: float | None = None  # the attempt is past its time-out
    stack: str | None = None  # the stack that a timed-out attempt hung in
    ending: Ending | None = None
    duration: float = 0.0  # seconds
    told: bool = False  # the failure is in the journal
    retry_in: float | None = None  # seconds, if the failure is to be retried
    ended: bool = False  # run_end is in the journal

    @property
    def run(self) -> Run:
        """The run, as a context and the journal know it."""
        return Run(self.bot, self.claim.slot, self.claim.run_id, self.claim.attempt)

    @property
    def outcome(self) -> str:
        """How the slot ends, once `ending` is there and no retry follows."""
        if self.ending is not None and self.ending.failure is None:
            return "succeeded"
        return "failed" if self.stack is None else "timed_out"


class Loop:
    """The loop of one strategy."""

    def __init__(
        self, manifest: Manifest, clock: Clock, ledger: Ledger, journal: Journal, control: Control, launcher: Launcher, boot_id: str
    ) -> None:
        self._manifest = manifest
        self._clock = clock
        self._ledger = ledger
        self._journal = journal
        self._control = control
        self._launcher = launcher
        self._boot_id = boot_id
        self._bots = {bot.id: bot for bot in manifest.bots}
        self._active: dict[str, Active] = {}
        self._decided: dict[str, datetime] = {}  # per bot: slots up to here are decided on
        self._skips: list[Skip] = []  # decided, not yet in the journal
        self._unaccounted: list[tuple[str, datetime]] = []  # in the journal, not yet in the ledger
        self._timetable = schedule.Scheduler()
        self._jobs: dict[str, SlotJob] = {}
        self._next_due: datetime | None = None
        self._requests_version = -1
        self._beat_at = float("-inf")
        self._hold_until = float("-inf")
        self._trouble_told_at = float("-inf")
        self._wall, self._steady = clock.now(), clock.elapsed()
        self.draining = False

    @property
    def is_drained(self) -> bool:
        """Tell whether a draining loop has nothing left to wait for: no process, and no end that is not yet written."""
        return self.draining and not any(active.process or active.ending for active in self._active.values())

    def begin(self, unfinished: list[Claim]) -> None:
        """Take up where the loop before left off; `unfinished` are claims whose run is to be tried once more."""
        now = self._clock.now()
        for bot in self._manifest.bots:
            until = self._ledger.accounted_until(bot.id)
            fact, meaning = f"schedule of {bot.id}", repr(bot.schedule)
            # A new bot, or one with a new schedule, owes no slot of the time before; nor can the future be settled.
            if until is None or until > now or self._ledger.fact(fact) != meaning:
                until = now
                self._ledger.account([(bot.id, until)])
                self._ledger.remember(fact, meaning)
            self._decided[bot.id] = until
            job = SlotJob(bot, lambda bot_id=bot.id: self._decided[bot_id], self._clock, self._timetable)
            self._jobs[bot.id] = job.do(self._due, bot)
        for claim in unfinished:
            self._active[claim.bot] = Active(claim, self._bots[claim.bot], self._clock.elapsed(), claimed=True)
        self._find_next_due()

    def step(self) -> float:
        """Do all that is to be done now; return the seconds until the next thing, at most one."""
        now, steady = self._clock.now(), self._clock.elapsed()
        step = (now - self._wall).total_seconds() - (steady - self._steady)
        self._wall, self._steady = now, steady
        self._watch(steady)
        if not self.draining and self._next_due is not None and now >= self._next_due and abs(step) <= CLOCK_STEP:
            self._timetable.run_pending()
            self._find_next_due()
        if steady >= self._hold_until:
            try:
                if abs(step) > CLOCK_STEP:
                    self._clock_stepped(now, step)
                if not self.draining:
                    self._take_requests(now, steady)
                self._write_skips()
                self._end_runs(steady)
                self._start_runs(steady)
                self._beat(now, steady)
            except (OSError, sqlite3.Error) as error:
                self._cannot_write(error, steady)
        return self._idle()

    def finish(self, reason: str) -> None:
        """Account for what came due while draining, and say that the loop ends."""
        now = self._clock.now()
        for bot in self._manifest.bots:
            busy = bot.id in self._active
            decision = decide(bot, self._decided[bot.id], now, busy=busy, pause=self._control.paused(bot.id), draining=True)
            self._skips.extend(decision.skips)
        self._write_skips()
        self._journal.write("service_stop", now, reason=reason)
        self._journal.sync()
        self._ledger.remember("previous stop", "clean")

    # Deciding

    def _due(self, bot: Bot) -> None:
        now = self._clock.now()
        waiting = self._active.get(bot.id)
        busy = waiting is not None and waiting.claimed
        decision: Decision = decide(bot, self._decided[bot.id], now, busy=busy, pause=self._control.paused(bot.id))
        if waiting is not None and not waiting.claimed and (decision.run or decision.skips):
            # A slot that still waits for room gives way to the newer one: one run a bot, on the newest bars.
            self._pass_over(waiting, "coalesced", now)
        self._skips.extend(decision.skips)
        if decision.skips:
            self._decided[bot.id] = decision.skips[-1].last
        if decision.run is not None:
            self._decided[bot.id] = decision.run
            claim = Claim(bot.id, decision.run, _new_run_id(), 1, "loop", now)
            self._active[bot.id] = Active(claim, bot, self._clock.elapsed())

    def _pass_over(self, waiting: Active, reason: str, now: datetime) -> None:
        bot, slot = waiting.bot, waiting.claim.slot
        late = now > bot.start_by(slot)
        self._skips.append(Skip(bot.id, slot, slot, 1, "missed" if late else "skipped", "late" if late else reason))
        del self._active[bot.id]

    def _find_next_due(self) -> None:
        self._next_due = min((job.next_run for job in self._jobs.values()), default=None)

    def _clock_stepped(self, now: datetime, step: float) -> None:
        self._journal.write("clock_stepped", now, level="warning", by_s=round(step, 3))
        if step < 0:
            # Slots that a clock set too far ahead made us pass over come due after all; what has run stays claimed.
            for bot_id, decided in self._decided.items():
                self._decided[bot_id] = min(decided, now)
            for job in self._jobs.values():
                job.reschedule()
            self._find_next_due()

    def _take_requests(self, now: datetime, steady: float) -> None:
        version = self._control.requests_version()
        if version == self._requests_version:
            return
        for request in self._control.requests():
            # Removed before it is obeyed: after a crash in between nobody runs it twice.
            self._control.done(request)
            bot = self._bots.get(request.bot)
            pause = self._control.paused(request.bot)
            refusal = (
                "there is no such bot"
                if bot is None
                else "a run of this bot is in progress"
                if request.bot in self._active
                else f"the bot is paused by {pause.by}: {pause.reason}"
                if pause is not None and pause.covers(now)
                else "the request is older than a minute"
                if now - request.requested_at > timedelta(minutes=1)
                else None
            )
            if bot is None or refusal is not None:
                self._journal.write("request_refused", now, level="warning", bot=request.bot, request=request.id, reason=refusal)
            else:
                claim = Claim(bot.id, now, _new_run_id(), 1, "manual", now)
                self._active[bot.id] = Active(claim, bot, steady, request)
        self._requests_version = self._control.requests_version()

    # Running

    def _watch(self, steady: float) -> None:
        for active in self._active.values():
            process = active.process
            if process is None:
                continue
            timeout = active.bot.timeout.total_seconds()
            if active.asked_stack_at is not None and steady - active.asked_stack_at >= STACK_WAIT and active.stack is None:
                active.stack = process.stack()
                process.kill()
            ending = process.poll()
            if ending is not None:
                active.process = None
                if active.stack is not None:
                    ending = Ending(Failure(f"the run took longer than its timeout of {timeout:g} s and was killed", active.stack))
                active.ending = ending
                active.duration = steady - active.started_at
            elif active.asked_stack_at is None and steady - active.started_at >= timeout:
                active.asked_stack_at = steady
                process.ask_stack()

    def _start_runs(self, steady: float) -> None:
        if self.draining:
            return
        running = sum(1 for active in self._active.values() if active.process is not None)
        room = self._manifest.max_parallel - running
        waiting = [active for active in self._active.values() if active.process is None and active.ending is None]
        if not waiting:
            return
        now = self._clock.now()
        for active in waiting:
            late = now > active.bot.start_by(active.claim.slot) and active.bot.catch_up != "latest"
            if late and not active.claimed and active.request is None:
                self._pass_over(active, "late", now)
            elif late and not active.begun and active.claim.attempt == 1 and active.claimed:
                active.ending = Ending(Failure("the run did not start: its heartbeat could not be written in time"))
        self._write_skips()
        ready = [active for active in waiting if active.ending is None and active.attempt_at <= steady and active.claim.bot in self._active][:room]
        new = [active for active in ready if not active.claimed]
        taken = {claim.run_id for claim in self._ledger.claim([active.claim for active in new])} if new else set()
        for active in new:
            active.claimed = active.claim.run_id in taken
            if not active.claimed:  # the slot has had its run already, before the clock was set back
                del self._active[active.claim.bot]
        for active in ready:
            if active.claimed:
                self._start(active)

    def _start(self, active: Active) -> None:
        now, steady = self._clock.now(), self._clock.elapsed()
        if not active.begun:
            claim = active.claim
            self._journal.write(
                "run_start",
                now,
                **active.run.fields(),
                symbols=active.bot.symbols,
                lateness_ms=_milliseconds((now - claim.slot).total_seconds()),
                queue_wait_ms=_milliseconds(steady - active.queued_at),
                trigger=claim.trigger,
                **({"request": active.request.id, "by": active.request.by} if active.request else {}),
            )
            active.begun = True
        active.started_at, active.asked_stack_at, active.stack = steady, None, None
        try:
            active.process = self._launcher.start(active.run)
        except OSError as error:
            active.ending = Ending(Failure(f"no process could be started for the run: {error}"))

    def _end_runs(self, steady: float) -> None:
        ended: list[tuple[Claim, str]] = []
        for active in [active for active in self._active.values() if active.ending is not None]:
            if not active.told:
                self._tell_failure(active)
                active.told = True
            if active.retry_in is not None:
                claim = replace(active.claim, attempt=active.claim.attempt + 1)
                self._ledger.next_attempt(claim)
                self._active[claim.bot] = Active(
                    claim, active.bot, active.queued_at, active.request, claimed=True, attempt_at=steady + active.retry_in
                )
                continue
            if not active.ended:
                self._write_end(active)
                active.ended = True
            ended.append((active.claim, active.outcome))
        if not ended:
            return
        # The journal first: should the ledger not get to know, the next loop finds the end in the journal.
        self._journal.sync()
        self._ledger.finish(ended)
        for claim, outcome in ended:
            bot = self._active.pop(claim.bot).bot
            if outcome != "succeeded":
                self._halt(bot)

    def _tell_failure(self, active: Active) -> None:
        failure = active.ending.failure if active.ending else None
        if failure is None:
            return
        now = self._clock.now()
        backoff = min(2.0 ** (active.claim.attempt - 1), BACKOFF_LONGEST)
        may_retry = active.stack is None and active.claim.attempt <= active.bot.retries and active.request is None
        if may_retry and now + timedelta(seconds=backoff) <= active.bot.retry_by(active.claim.slot):
            active.retry_in = backoff
        self._journal.write(
            "error",
            now,
            level="error",
            **active.run.fields(),
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
            level="info" if active.outcome == "succeeded" else "error",
            **active.run.fields(),
            outcome=active.outcome,
            tick_duration_ms=_milliseconds(active.duration),
            signal_generated=bool(orders),
            orders=len(orders),
            trigger=active.claim.trigger,
            **({"uncertain_orders": unsettled} if unsettled else {}),
        )

    def _halt(self, bot: Bot) -> None:
        if bot.halt_after == 0 or self._ledger.failures_in_a_row(bot.id, bot.halt_after) < bot.halt_after:
            return
        now = self._clock.now()
        reason = f"{bot.halt_after} failures in a row"
        self._control.pause(bot.id, Pause(now, None, "openbell", reason))
        self._journal.write("bot_paused", now, level="error", bot=bot.id, by="openbell", reason=reason)

    # Writing

    def _write_skips(self) -> None:
        while self._skips:
            skip = self._skips[0]
            fields: dict[str, object] = {"bot": skip.bot, "slot": skip.last, "outcome": skip.outcome, "reason": skip.reason, "count": skip.count}
            if skip.count > 1:
                fields["first"] = skip.first
            if skip.pause is not None:
                fields |= {"paused_by": skip.pause.by, "pause_reason": skip.pause.reason}
            self._journal.write("slot_skipped", self._clock.now(), level="warning", **fields)
            self._unaccounted.append((skip.bot, skip.last))
            del self._skips[0]
        if self._unaccounted:
            self._journal.sync()
            self._ledger.account(self._unaccounted)
            self._unaccounted.clear()

    def _beat(self, now: datetime, steady: float) -> None:
        if steady - self._beat_at >= beat.INTERVAL:
            beat.write(self._journal.folder, beat.Beat(now, self._boot_id, tuple(self._active)))
            self._beat_at = steady

    def _cannot_write(self, error: Exception, steady: float) -> None:
        """No heartbeat, no claim: no trade. Say so where it can still be read, and try again soon."""
        self._hold_until = steady + HOLD_OFF
        if steady - self._trouble_told_at >= 30:
            self._trouble_told_at = steady
            line = f"{self._manifest.name}: cannot write ({error}); no run starts until journal and state can be written again\n"
            os.write(2, line.encode())

    def _idle(self) -> float:
        now, steady = self._clock.now(), self._clock.elapsed()
        waits = [LONGEST_WAIT]
        if steady < self._hold_until:
            return min(LONGEST_WAIT, self._hold_until - steady)
        if not self.draining and self._next_due is not None:
            waits.append((self._next_due - now).total_seconds())
        for active in self._active.values():
            if active.ending is not None:
                return 0.0
            if active.process is None:
                # Waiting for room ends when a child does, which wakes the loop; a backoff ends by itself.
                if active.attempt_at > steady:
                    waits.append(active.attempt_at - steady)
            elif active.asked_stack_at is not None:
                waits.append(active.asked_stack_at + STACK_WAIT - steady)
            else:
                waits.append(active.started_at + active.bot.timeout.total_seconds() - steady)
        return max(0.0, min(waits))


def _new_run_id() -> str:
    return os.urandom(6).hex()


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)
