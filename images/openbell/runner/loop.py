"""The loop: wakes at slots, decides, claims, starts runs, watches them, and writes down how each ended.

`step()` does what is to be done now and returns how long nothing more will be; `service.py` calls it in turn with a wait.
Nothing here runs strategy code, and nothing here waits.
"""

import sqlite3
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from itertools import pairwise

import schedule

from openbell import heartbeat
from openbell.control import Halt, Request
from openbell.journal import BACKFILL, Journal
from openbell.ledger import Claim, Ledger
from openbell.manifest import Bot, Manifest, windows
from openbell.runner import orphans, output
from openbell.runner.armed import ArmedRuns
from openbell.runner.arming import Arming
from openbell.runner.clock import LONGEST_WAIT, Clock
from openbell.runner.decide import Decision, Skip, decide
from openbell.runner.flattening import Flattening
from openbell.runner.loop_control import LoopControl
from openbell.runner.order_follower import OrderFollower
from openbell.runner.processes import Launcher
from openbell.runner.request_refusals import refusal, slot_refusal
from openbell.runner.runs import Active, Runs, new_run_id
from openbell.runner.slot_job import SlotJob
from openbell.slots import count_slots, last_slot, next_slot

CLOCK_STEP = 1.0  # seconds by which the wall clock may leave the steady one before that is a step
TICK = timedelta(microseconds=1)
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds from one start of a stream to the next
RAN_WELL = 10.0  # seconds; a stream that ran so long had its connection: what cut it is no reason to wait
OWED_FOR = timedelta(days=1)  # for so long slots are owed when it is unknown which were decided on
RUN_UP = (
    0.002  # seconds before a slot at which the loop wakes once, so that code and data are in the processor's caches
)
TRUSTED = 300.0  # seconds after which a clock that was set back counts as right, unless it is set ahead again
REPLAYED = timedelta(seconds=60)  # of a clock that is set back by no more than this, all slots are told already
HOLD_OFF = 1.0  # seconds before what could not be written is tried again


@dataclass(frozen=True)
class Revival:
    """When a stream that has ended may be started again: soon after it ran for a while, else after pauses that grow."""

    at: float  # elapsed seconds
    pause: float = 0.0  # seconds
    started_at: float | None = None  # elapsed seconds; None while it does not run

    def started(self, steady: float) -> "Revival":
        """Return the revival of a stream that is started now."""
        return replace(self, started_at=steady)

    def ended(self, steady: float) -> "Revival":
        """Return the revival of a stream that has ended now."""
        began = steady if self.started_at is None else self.started_at
        if steady - began >= RAN_WELL:
            return Revival(steady + FIRST_PAUSE, FIRST_PAUSE)
        pause = FIRST_PAUSE if self.pause == 0 else min(2 * self.pause, LONGEST_PAUSE)
        return Revival(began + pause, pause)


class Loop:
    """The loop of one strategy."""

    def __init__(
        self,
        manifest: Manifest,
        clock: Clock,
        ledger: Ledger,
        journal: Journal,
        control: LoopControl,
        launcher: Launcher,
        boot_id: str,
        trigger: str = "loop",
        follower: OrderFollower | None = None,
        armed: ArmedRuns | None = None,
        flattening: Flattening | None = None,
    ) -> None:
        """follower: follows open orders between slots; without one they are queried before each run.

        armed: starts the processes of runs ahead of their slots; without it they are started when they are due.
        flattening: closes what is held when a person asks for it.
        """
        self._follower = follower
        self._flattening = flattening
        self._manifest = manifest
        self._clock = clock
        self._ledger = ledger
        self._journal = journal
        self._control = control
        self._boot_id = boot_id
        self._trigger = trigger
        self._halt: Halt | None = None
        self._bots = {bot.id: bot for bot in manifest.bots}
        self._runs = Runs(clock, ledger, journal, control, launcher, manifest, armed)
        self._decided: dict[str, datetime] = {}  # per bot: slots up to here are decided on
        # Per bot: slots up to here have their outcome. Later than `_decided` only after the clock was set back: then
        # such a slot may still run, but is not passed over a second time.
        self._settled: dict[str, datetime] = {}
        # Per bot: slots up to here were accounted for when the clock was set back, and are no more.
        self._replayed: dict[str, datetime] = {}
        self._trusted_at = float("-inf")  # elapsed seconds
        self._skips: list[Skip] = []  # decided, not yet in the journal
        self._set_back: dict[str, datetime] = {}  # per bot: from here on slots are owed; not yet in the ledger
        self._unaccounted: list[tuple[str, datetime]] = []  # in the journal, not yet in the ledger
        self._timetable = schedule.Scheduler()
        self._jobs: dict[str, SlotJob] = {}
        self._arming = Arming(armed, self._jobs, self._runs, control) if armed else None
        self._streams: dict[str, Revival] = {}
        self._next_due: datetime | None = None
        self._clock_steps: list[float] = []  # seconds; noticed, not yet in the journal
        self._own_days = control.own_days()
        self._refusals: list[tuple[Request, str]] = []  # with the reason; not yet in the journal
        self._requests_version = -1
        self._beat_at = float("-inf")
        self._hold_until = float("-inf")
        self._trouble_told_at = float("-inf")
        self._wall, self._steady = clock.now(), clock.elapsed()
        self.draining = False

    @property
    def is_drained(self) -> bool:
        """Tell whether a draining loop has nothing left to wait for: no process, and no end that is not yet written."""
        return self.draining and self._runs.is_idle

    def is_settled(self, until: datetime) -> bool:
        """Tell whether no run is on its way and no slot comes due until then."""
        return not self._runs.bots() and (self._next_due is None or self._next_due > until)

    def begin(self, unfinished: list[Claim], *, reach_back: bool = False) -> None:
        """Take up where the loop before left off; `unfinished` are claims whose run is to be tried once more.

        reach_back: a new bot owes the slots that are still within their grace, since this loop was started for them.
        """
        now = self._clock.now()
        self._own_days.reload()
        accounted: list[tuple[str, datetime]] = []
        schedules: dict[str, str] = {}
        for bot in self._manifest.bots:
            until = self._ledger.accounted_until(bot.id)
            fact, meaning = f"schedule of {bot.id}", repr(bot.schedule)
            if until is not None and until > now + REPLAYED:
                # The clock was ahead when this was written. What has really been decided is known by the claims.
                self._replayed[bot.id] = until
                until = max(self._ledger.newest_claim(bot.id, now) or now, now - OWED_FOR)
                self._ledger.account_back([(bot.id, until)])
                self._trusted_at = self._steady + TRUSTED
            # A new bot, or one with a new schedule, owes no slot of the time before.
            if until is None or self._ledger.fact(fact) != meaning:
                until = now - bot.shift - bot.grace - TICK if reach_back else now
                accounted.append((bot.id, until))
                schedules[fact] = meaning
            self._settled[bot.id] = until
            self._decided[bot.id] = min(until, now)  # it is later than now if the clock was ahead
            if bot.is_stream:
                self._streams[bot.id] = Revival(at=self._clock.elapsed())
                continue
            job = SlotJob(bot, partial(self._decided.__getitem__, bot.id), self._clock, self._timetable)
            self._jobs[bot.id] = job.do(self._due, bot)
        if accounted:  # in one step each: on a slow disk a step takes a second
            self._ledger.account(accounted)
            self._ledger.remember_all(schedules)
        for claim in unfinished:
            self._runs.queue(claim, self._bots[claim.bot], claimed=True)
        self._find_next_due()

    def step(self) -> float:
        """Do all that is to be done now; return the seconds until the next thing, at most one."""
        now, steady = self._clock.now(), self._clock.elapsed()
        step = (now - self._wall).total_seconds() - (steady - self._steady)
        self._wall, self._steady = now, steady
        if abs(step) > CLOCK_STEP:
            self._clock_stepped(now, step)
        self._runs.watch(steady)
        if self._own_days.reload():
            self._reschedule()
        if not self.draining and self._next_due is not None and now >= self._next_due:
            self._timetable.run_pending()
            self._find_next_due()
        for bot_id in self._streams if self.draining else ():
            self._runs.stop_stream(bot_id, steady)
        if steady >= self._hold_until:
            try:
                self._write_clock_steps(now)
                self._write_halt(now)
                if not self.draining:
                    self._take_requests(now)
                self._write_refusals(now)
                self._write_skips()
                self._runs.end(steady)
                if not self.draining:
                    self._tend_streams(now, steady)
                    self._pass_over_late(now)
                    self._runs.start(steady)
                self._beat(now, steady)
            except (OSError, sqlite3.Error) as error:
                self._cannot_write(error, steady)
        if self._arming is not None:
            self._arming.step(self._clock.now(), self._next_due, draining=self.draining)
        return self._idle()

    def finish(self, reason: str) -> None:
        """Account for what came due while draining, and say that the loop ends."""
        now = self._clock.now()
        if self._follower is not None:
            self._follower.end()
        if self._arming is not None:
            self._arming.end()
        self._pass_over_late(now)
        for bot in self._manifest.bots:
            busy = self._runs.of(bot.id) is not None
            decision = decide(
                bot, self._decided[bot.id], now, busy=busy, pause=self._control.paused(bot.id), draining=True
            )
            self._skip(decision.skips)
        self._write_refusals(now)
        self._write_skips()
        self._journal.write("service_stop", now, reason=reason)
        self._journal.sync()
        heartbeat.end(self._journal.folder)
        self._ledger.remember("previous stop", "clean")

    def abandon(self) -> None:
        """End every process of this loop at once, and write nothing: the strategy is owned by another, or soon may be."""
        if self._follower is not None:
            self._follower.end()
        if self._arming is not None:
            self._arming.end()
        self._runs.kill()
        orphans.end()

    # Deciding

    def _due(self, bot: Bot) -> None:
        now = self._clock.now()
        waiting = self._runs.of(bot.id)
        busy = waiting is not None and waiting.claimed
        decision: Decision = decide(bot, self._decided[bot.id], now, busy=busy, pause=self._control.paused(bot.id))
        if waiting is not None and not waiting.claimed and decision.has_slots:
            # What still waits for room gives way to the newer slot: one run a bot, on the newest bars.
            self._pass_over(waiting, "coalesced", now)
        self._skip(decision.skips)
        if decision.skips:
            self._decided[bot.id] = decision.skips[-1].last
        if decision.run is not None:
            self._decided[bot.id] = decision.run
            claim = Claim(bot.id, decision.run, self._runs.id_of(bot, decision.run), 1, self._trigger, now)
            self._runs.queue(claim, bot)

    def _tend_streams(self, now: datetime, steady: float) -> None:
        """Keep each stream running, unless its bot is paused or in a blackout, and open orders followed."""
        if self._follower is not None:
            self._follower.tend(steady)
        for bot_id, revival in self._streams.items():
            pause = self._control.paused(bot_id)
            if self._runs.of(bot_id) is None and revival.started_at is not None:
                revival = self._streams[bot_id] = revival.ended(steady)  # noqa: PLW2901 - it is what it has become
            blackout = windows.covering(self._bots[bot_id].schedule.blackout, now)
            if blackout or (pause is not None and pause.holds(now)):
                self._runs.stop_stream(bot_id, steady)
            elif self._runs.of(bot_id) is None and steady >= revival.at:
                self._streams[bot_id] = revival.started(steady)
                self._runs.queue(Claim(bot_id, now, new_run_id(), 1, "stream", now), self._bots[bot_id])

    def _pass_over(self, waiting: Active, reason: str, now: datetime) -> None:
        bot, slot = waiting.bot, waiting.claim.slot
        self._runs.drop(bot.id)
        if waiting.request is not None:
            self._refusals.append((waiting.request, "a slot of this bot came due while the request waited for room"))
            return
        late = now > bot.start_by(slot)
        self._skip([Skip(bot.id, slot, slot, 1, "missed" if late else "skipped", "late" if late else reason)])

    def _skip(self, skips: Iterable[Skip]) -> None:
        """Take in skips for the journal, without the slots that were passed over already by a clock that was ahead."""
        for skip in self._without_claimed(skips):
            settled = self._settled[skip.bot]
            if skip.first > settled:
                self._skips.append(skip)
            elif skip.last > settled:
                schedule = self._bots[skip.bot].schedule
                first, count = next_slot(schedule, settled), count_slots(schedule, settled, skip.last)
                self._skips.append(replace(skip, first=first or skip.last, count=count))

    def _without_claimed(self, skips: Iterable[Skip]) -> Iterator[Skip]:
        """Yield skips without the slots that have run already, while the clock was ahead."""
        for skip in skips:
            ran = self._ledger.claimed_slots(skip.bot, skip.first, skip.last)
            if not ran:
                yield skip
                continue
            schedule = self._bots[skip.bot].schedule
            for start, end in pairwise([skip.first - TICK, *ran, skip.last]):
                until = end - TICK if end in ran else end
                first, last = next_slot(schedule, start), last_slot(schedule, start, until)
                if first is not None and last is not None and first <= last:
                    yield replace(skip, first=first, last=last, count=count_slots(schedule, start, until))

    def _pass_over_late(self, now: datetime) -> None:
        for waiting in self._runs.unclaimed():
            if now > waiting.bot.catch_up_by(waiting.claim.slot) and not waiting.may_start_late:
                self._pass_over(waiting, "late", now)
        self._write_skips()

    def _find_next_due(self) -> None:
        self._next_due = min((job.next_run for job in self._jobs.values() if job.next_run is not None), default=None)
        if self._arming is not None:
            self._arming.rescheduled()

    def _clock_stepped(self, now: datetime, step: float) -> None:
        self._clock_steps.append(step)
        if step > 0:
            if self._steady < self._trusted_at:
                # Setting it back was the mistake: what was accounted for before that is again.
                for bot_id, replayed in self._replayed.items():
                    self._settled[bot_id] = max(self._settled[bot_id], min(replayed, now))
            return
        # Slots that a clock set too far ahead made us pass over come due after all; what has run stays claimed.
        for bot_id, decided in self._decided.items():
            waiting = self._runs.of(bot_id)
            is_open = waiting is not None and not waiting.claimed and waiting.request is None
            settled = max(self._settled[bot_id], decided - TICK if is_open else decided)
            if settled > now + REPLAYED:
                # Slots that are yet to come are not accounted for: what will not run of them then is to be told.
                self._replayed[bot_id] = max(settled, self._replayed.get(bot_id, settled))
                settled = now
                self._set_back[bot_id] = now
                self._trusted_at = self._steady + TRUSTED
            self._settled[bot_id] = settled
            self._decided[bot_id] = min(decided, now)
        for waiting in self._runs.rewind(now):
            if waiting.request is not None:
                self._refusals.append((waiting.request, "the clock was set back: ask again"))
        self._reschedule()

    def _reschedule(self) -> None:
        """Take the next slots anew: the clock was set back, or the calendars have changed."""
        for job in self._jobs.values():
            job.reschedule()
        self._find_next_due()

    def _take_requests(self, now: datetime) -> None:
        version = self._control.requests_version()
        if version == self._requests_version:
            return
        for request in self._control.requests():
            # Remembered before it is obeyed: after a crash in between it does not run twice.
            self._control.done(request)
            if request.flatten:
                reason = self._flattening.take(request, now) if self._flattening else "this loop closes no positions"
                if reason:
                    self._refusals.append((request, reason))
                continue
            bot = self._bots.get(request.bot)
            pause = self._control.paused(request.bot)
            busy = self._runs.of(request.bot) is not None
            reason = refusal(request, bot, now, busy=busy, pause=pause)
            if bot is not None and not reason and request.slot is not None:
                known = self._ledger.outcome_of(bot.id, request.slot)
                reason = slot_refusal(bot, request.slot, self._decided[bot.id], now, known)
            if bot is None or reason:
                self._refusals.append((request, reason))
                continue
            trigger = "manual" if request.slot is None else BACKFILL
            claim = Claim(bot.id, request.slot or now, new_run_id(), 1, trigger, now)
            self._runs.queue(claim, bot, request=request)
        # The version from before the requests were read: one that came since changes it, and is read in the next step.
        self._requests_version = version

    # Writing

    def _write_clock_steps(self, now: datetime) -> None:
        if self._set_back:
            self._ledger.account_back(self._set_back.items())
            self._set_back.clear()
        while self._clock_steps:
            self._journal.write("clock_stepped", now, level="warning", by_s=round(self._clock_steps[0], 3))
            del self._clock_steps[0]

    def _write_halt(self, now: datetime) -> None:
        """Say when all orders are halted, and when they are not any more. Each run checks for itself before each order."""
        halt = self._control.halted()
        self._control.acknowledge(halt)
        if halt == self._halt:
            return
        if halt is not None:
            self._journal.write(
                "trading_halted",
                now,
                level="warning",
                by=halt.by,
                reason=halt.reason,
                since=halt.since,
                exits=halt.exits,
            )
        else:
            self._journal.write("trading_resumed", now)
        self._halt = halt

    def _write_refusals(self, now: datetime) -> None:
        while self._refusals:
            request, reason = self._refusals[0]
            fields = {"bot": request.bot, "request": request.id, "reason": reason}
            self._journal.write("request_refused", now, fields, level="warning")
            del self._refusals[0]

    def _write_skips(self) -> None:
        while self._skips:
            skip = self._skips[0]
            self._journal.write("slot_skipped", self._clock.now(), skip.fields(), level="warning")
            self._unaccounted.append((skip.bot, skip.last))
            del self._skips[0]
        if self._unaccounted:
            self._journal.sync()
            self._ledger.account(self._unaccounted)
            self._unaccounted.clear()

    def _beat(self, now: datetime, steady: float) -> None:
        if steady - self._beat_at >= heartbeat.INTERVAL:
            folder = self._journal.folder
            streams = {bot: at for bot in self._streams if (at := heartbeat.stream_beat(folder, bot))}
            heartbeat.write(folder, heartbeat.Heartbeat(now, self._boot_id, self._runs.bots(), streams))
            self._beat_at = steady

    def _cannot_write(self, error: Exception, steady: float) -> None:
        """No heartbeat, no claim: no trade. Say so where it can still be read, and try again soon."""
        self._hold_until = steady + HOLD_OFF
        if steady - self._trouble_told_at >= 30:
            self._trouble_told_at = steady
            output.say(
                f"{self._manifest.name}: cannot write ({error}); no run starts until journal and state can be written again"
            )

    def _idle(self) -> float:
        now, steady = self._clock.now(), self._clock.elapsed()
        waits = [LONGEST_WAIT]
        if self.is_drained:
            return 0.0  # nothing to wait for any more
        if steady < self._hold_until:
            return min(LONGEST_WAIT, self._hold_until - steady)
        if not self.draining and self._next_due is not None:
            left = (self._next_due - now).total_seconds()
            waits.append(left - RUN_UP if left > 2 * RUN_UP else left)
            if self._arming is not None:
                waits.append(self._arming.wait(now, self._next_due))
        waits.extend(self._runs.waits(steady))
        # A stream that could be started and is not running is paused: the next step finds that it was resumed.
        waits.extend(revival.at - steady for revival in self._streams.values() if revival.at > steady)
        return max(0.0, min(waits))
