"""Decides which runs get a process ahead of their slot, and which of these processes are not needed any more."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from functools import partial

from openbell.control import Control
from openbell.runner.armed import ArmedRuns
from openbell.runner.runs import Runs, new_run_id
from openbell.runner.slot_job import SlotJob
from openbell.strategy.run_state import Run

# A fork takes a millisecond or more. So close to the next slot none is made for a later one.
BEFORE_SLOT = timedelta(milliseconds=20)
# So long before its slot a run whose process waits is claimed: a sync of a quick disk is over when the slot is there.
CLAIM_AHEAD = timedelta(milliseconds=100)
# So often the pauses of bots whose processes wait are read. Whether a slot is to run is decided anew when it is claimed.
PAUSES_EVERY = timedelta(milliseconds=100)


class Arming:
    """Starts processes ahead of slots, at most one a step, so that a slot that comes due in between does not wait."""

    def __init__(self, armed: ArmedRuns, jobs: Mapping[str, SlotJob], runs: Runs, control: Control) -> None:
        self._armed = armed
        self._jobs = jobs
        self._runs = runs
        self._control = control
        self._next: SlotJob | None = None  # the first that no process was started for, or passed over
        self._busy: set[str] = set()  # bots whose next slots wait for the end of a run
        self._pauses_read: datetime | None = None

    def rescheduled(self) -> None:
        """Find the next slot anew, after the jobs have moved on."""
        self._busy = set(self._runs.bots())
        waiting = [
            job
            for bot_id, job in self._jobs.items()
            if bot_id not in self._busy and job.slot is not None and not self._armed.has_tried(bot_id, job.slot)
        ]
        self._next = min(waiting, key=SlotJob.due, default=None)

    def step(self, now: datetime, next_due: datetime | None, *, draining: bool) -> None:
        """Start one process if it is time to, and end those that wait for a slot that is not to be run."""
        heeds_pauses = self._pauses_read is None or abs(now - self._pauses_read) >= PAUSES_EVERY
        if heeds_pauses:
            self._pauses_read = now
        is_wanted = partial(self._is_wanted, now, draining=draining, heeds_pauses=heeds_pauses)
        was_killed = self._armed.has_processes and self._armed.keep(is_wanted)
        if was_killed or not self._busy.issubset(self._runs.bots()):
            self.rescheduled()
        job = self._next
        if draining or job is None or job.slot is None or next_due is None or self.wait(now, next_due) > 0:
            return
        if self._runs.of(job.bot.id) is None and self._runs.has_room(self._armed.count) and not self._is_paused(job):
            self._armed.arm(job.bot, job.slot, new_run_id())
        else:
            self._armed.pass_over(job.bot.id, job.slot)
        self.rescheduled()

    def about_to_begin(self, now: datetime) -> list[SlotJob]:
        """Return the jobs whose processes wait for a slot that is there in a moment."""
        runs = self._armed.due_by(now + CLAIM_AHEAD)
        return [job for run in runs if (job := self._jobs[run.bot.id]).slot == run.slot]

    def end(self) -> None:
        """End all processes that wait."""
        self._armed.keep(lambda _: False)

    def wait(self, now: datetime, next_due: datetime) -> float:
        """Return in how many seconds the next process is to be started; infinity if that is not before `next_due`."""
        if self._next is None or next_due - now < BEFORE_SLOT:
            return float("inf")
        return (self._next.due() - self._armed.lead - now).total_seconds()

    def wait_to_claim(self, now: datetime, next_due: datetime) -> float:
        """Return in how many seconds slots are to be claimed ahead; infinity if no process waits, or it is time already."""
        wait = (next_due - CLAIM_AHEAD - now).total_seconds()
        return wait if wait > 0 and self._armed.count else float("inf")

    def _is_wanted(self, now: datetime, run: Run, *, draining: bool, heeds_pauses: bool) -> bool:
        active = self._runs.of(run.bot.id)
        if active is not None:
            return active.process is None and active.run == run
        job = self._jobs[run.bot.id]
        is_soon = job.due() - now <= 2 * self._armed.lead  # else the clock was set back
        return not draining and job.slot == run.slot and is_soon and not (heeds_pauses and self._is_paused(job))

    def _is_paused(self, job: SlotJob) -> bool:
        pause = self._control.paused(job.bot.id)
        return pause is not None and job.slot is not None and pause.covers(job.slot)
