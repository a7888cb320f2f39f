"""The loop: wakes at slots, decides, claims, starts runs, watches them, and writes down how each ended.

`step()` does what is to be done now and returns how long nothing more will be; `service.py` calls it in turn with a wait.
Nothing here runs strategy code, and nothing here waits.
"""

from contextlib import suppress
from datetime import datetime
from functools import partial

import schedule

from openbell import heartbeat
from openbell.ledger import Claim
from openbell.manifest import Bot, Manifest
from openbell.runner import orphans
from openbell.runner.arming import Arming
from openbell.runner.clock import LONGEST_WAIT
from openbell.runner.due_slots import DueSlots
from openbell.runner.loop_services import LoopParts, LoopServices
from openbell.runner.moved_pauses import MovedPauses
from openbell.runner.requests import Requests
from openbell.runner.runs import Runs
from openbell.runner.slot_job import SlotJob
from openbell.runner.slot_progress import SlotProgress
from openbell.runner.streams import Streams
from openbell.runner.unwritten import Unwritten, WriteTrouble

CLOCK_STEP = 1.0  # seconds by which the wall clock may leave the steady one before that is a step
RUN_UP = 0.002  # seconds before a slot at which the loop wakes once: code and data get into the processor's caches


class Loop:
    """The loop of one strategy."""

    def __init__(
        self, manifest: Manifest, services: LoopServices, boot_id: str, trigger: str = "loop", release: str = ""
    ) -> None:
        clock, ledger, journal = services.clock, services.ledger, services.journal
        self._follower, self._flattening = services.follower, services.flattening
        self._manifest = manifest
        self._clock = clock
        self._ledger = ledger
        self._journal = journal
        self._control = services.control
        self._boot_id = boot_id
        self._release = release
        self._bots = {bot.id: bot for bot in manifest.bots}
        self._runs = Runs(clock, ledger, journal, services.control, services.launcher, manifest, services.armed)
        self._progress = SlotProgress(self._bots, ledger)
        self._unwritten = Unwritten(clock, journal, ledger)
        parts = LoopParts(self._bots, self._runs, self._progress, self._unwritten, services.control)
        self._due_slots = DueSlots(parts, trigger)
        self._requests = Requests(parts, ledger, self._flattening)
        self._streams = Streams(self._bots, self._runs, services.control)
        self._timetable = schedule.Scheduler()
        self._jobs: dict[str, SlotJob] = {}
        self._arming = Arming(services.armed, self._jobs, self._runs, services.control) if services.armed else None
        self._next_due: datetime | None = None
        self._moved_pauses = MovedPauses(self._bots, services.control)
        self._own_days = services.control.own_days()
        self._beat_at = float("-inf")
        self._trouble = WriteTrouble(manifest.name)
        self._wall, self._steady = clock.now(), clock.elapsed()
        self.draining = False

    @property
    def is_drained(self) -> bool:
        """Tell whether a draining loop has nothing left to wait for: no process, and no end that is not yet written."""
        return self.draining and self._runs.is_idle and not self._flattening.is_busy

    def is_settled(self, until: datetime) -> bool:
        """Tell whether no run is on its way and no slot comes due until then."""
        return not self._runs.bots() and (self._next_due is None or self._next_due > until)

    def begin(
        self, unfinished: list[Claim], *, reach_back: bool = False, unknown_until: datetime | None = None
    ) -> None:
        """Take up where the loop before left off; `unfinished` are claims whose run is to be tried once more.

        reach_back: a new bot owes the slots that are still within their grace, since this loop was started for them.
        unknown_until: what is due by then and by now may have run, though the ledger does not know it: it does not run
        again. It is by the clock of the database, since the one of this host may be behind.
        """
        now = self._clock.now()
        self._own_days.reload()
        self._progress.begin(now, self._steady, reach_back=reach_back)
        for bot in self._manifest.bots:
            if bot.is_stream:
                self._streams.add(bot.id)
                continue
            job = SlotJob(bot, partial(self._progress.decided.__getitem__, bot.id), self._clock, self._timetable)
            self._jobs[bot.id] = job.do(self._due, bot)
        if unknown_until is not None:
            self._due_slots.pass_over_unknown(now, unknown_until)
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
        if not self.draining and steady >= self._trouble.until:
            with self._trouble.caught(steady):
                self._runs.begin(steady)
        self._runs.watch(steady)
        self._flattening.tend(steady)
        if self._own_days.reload():
            self._reschedule()
        if self.draining:
            self._streams.stop(steady)
        else:
            self._queue_due(now)
        with self._trouble.caught(steady):
            self._write(now, steady)
        if self._arming is not None:
            now = self._clock.now()
            self._arming.step(now, self._next_moment(steady), draining=self.draining)
        return self._idle()

    def _write(self, now: datetime, steady: float) -> None:
        if steady < self._trouble.until:
            return
        self._progress.write_set_back()
        self._moved_pauses.write()
        self._unwritten.write_clock_steps(now)
        self._unwritten.write_skips()
        self._runs.end(steady)
        self._start(now, steady)
        # What people ask for comes after what is due to the moment. Each order asks for itself whether it is halted.
        self._obey_halt(now)
        if not self.draining and self._requests.accept(now):
            self._start(now, steady)
        self._unwritten.write_refusals(now)
        self._beat(now, steady)

    def _start(self, now: datetime, steady: float) -> None:
        if self.draining:
            return
        self._tend(now, steady)
        self._due_slots.pass_over_late(now)
        self._runs.start(steady)

    def finish(self, reason: str) -> None:
        """Account for what came due while draining, and say that the loop ends."""
        now = self._clock.now()
        self._end_side_processes()
        self._due_slots.pass_over_late(now)
        self._due_slots.pass_over_rest(now)
        self._unwritten.write_refusals(now)
        self._unwritten.write_skips()
        self._journal.write("service_stop", now, reason=reason)
        self._journal.sync()
        heartbeat.end(self._journal.folder)
        self._ledger.remember("previous stop", "clean")

    def abandon(self) -> None:
        """End every process of this loop at once, and write nothing: the strategy is owned by another, or soon may be."""
        self._end_side_processes()
        self._flattening.end()
        self._runs.kill()
        orphans.end()

    def _end_side_processes(self) -> None:
        """End the processes that follow orders and that wait for slots."""
        if self._follower is not None:
            self._follower.end()
        if self._arming is not None:
            self._arming.end()

    # Deciding

    def _due(self, bot: Bot) -> None:
        self._due_slots.queue(bot, self._clock.now())

    def _queue_due(self, now: datetime) -> None:
        """Queue what is due, and what is in a moment and has its process: at the slot that only has to begin."""
        if self._next_due is not None and now >= self._next_due:
            self._timetable.run_pending()
            self._find_next_due()
        jobs = self._arming.about_to_begin(now) if self._arming is not None else []
        queued = [job for job in jobs if self._due_slots.queue_ahead(job)]
        for job in queued:
            job.reschedule()
        if queued:
            self._find_next_due()

    def _next_moment(self, steady: float) -> datetime | None:
        """Return when the next run begins, or the next slot is due."""
        moments = [at for at in (self._next_due, self._runs.next_begin(steady)) if at is not None]
        return min(moments, default=None)

    def _tend(self, now: datetime, steady: float) -> None:
        """Keep open orders followed and streams running."""
        if self._follower is not None:
            self._follower.tend(steady)
        self._streams.tend(now, steady)

    def _obey_halt(self, now: datetime) -> None:
        halt = self._control.halted()
        self._control.acknowledge(halt)
        self._unwritten.write_halt(halt, now)

    def _find_next_due(self) -> None:
        self._next_due = min((job.next_run for job in self._jobs.values() if job.next_run is not None), default=None)
        if self._arming is not None:
            self._arming.rescheduled()

    def _clock_stepped(self, now: datetime, step: float) -> None:
        self._unwritten.clock_stepped(step)
        if step > 0:
            self._progress.set_ahead(now, self._steady)
            with suppress(OSError):  # tried again before a run starts
                self._moved_pauses.set_ahead(now, step)
            return
        self._progress.set_back(now, self._steady, self._is_open)
        for waiting in self._runs.rewind(now):
            if waiting.request is not None:
                self._unwritten.refuse(waiting.request, "the clock was set back: ask again")
        self._reschedule()

    def _is_open(self, bot_id: str) -> bool:
        """Tell whether the bot's newest slot waits and is not claimed."""
        waiting = self._runs.of(bot_id)
        return waiting is not None and not waiting.claimed and waiting.request is None

    def _reschedule(self) -> None:
        """Take the next slots anew: the clock was set back, or the calendars have changed."""
        for job in self._jobs.values():
            job.reschedule()
        self._find_next_due()

    # Writing

    def _beat(self, now: datetime, steady: float) -> None:
        if steady - self._beat_at >= heartbeat.INTERVAL:
            folder = self._journal.folder
            streams = self._streams.beats(folder)
            beat = heartbeat.Heartbeat(now, self._boot_id, self._runs.bots(), streams, release=self._release)
            heartbeat.write(folder, beat)
            self._beat_at = steady

    def _idle(self) -> float:
        now, steady = self._clock.now(), self._clock.elapsed()
        waits = [LONGEST_WAIT]
        if self.is_drained:
            return 0.0  # nothing to wait for any more
        if steady < self._trouble.until:
            return min(LONGEST_WAIT, self._trouble.until - steady)
        if not self.draining and (moment := self._next_moment(steady)) is not None:
            left = (moment - now).total_seconds()
            waits.append(left - RUN_UP if left > 2 * RUN_UP else left)
            if self._arming is not None:
                waits.append(self._arming.wait(now, moment))
                waits.append(self._arming.wait_to_claim(now, self._next_due or moment))
        waits.extend(self._runs.waits(steady))
        waits.extend(self._streams.waits(steady))
        return max(0.0, min(waits))
