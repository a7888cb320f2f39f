"""Runs in progress: claimed, started and watched. `run_ends.py` writes how they ended."""

import os
import time
from collections.abc import Iterable
from datetime import datetime

from openbell.control import Control, Request
from openbell.journal import Journal
from openbell.ledger import Claim, Ledger
from openbell.manifest import Bot, Manifest
from openbell.runner.active import Active, milliseconds
from openbell.runner.armed import ArmedRuns
from openbell.runner.clock import Clock
from openbell.runner.processes import Ending, Launcher
from openbell.runner.report import Failure
from openbell.runner.run_ends import RunEnds
from openbell.runner.run_watch import STACK_WAIT, STOP_WAIT, watch

KILLED_WAIT = 0.002  # seconds between two looks at whether a killed process has ended


class Runs:
    """The runs of one loop, at most one a bot. What cannot be written raises OSError or sqlite3.Error and is tried again."""

    def __init__(
        self,
        clock: Clock,
        ledger: Ledger,
        journal: Journal,
        control: Control,
        launcher: Launcher,
        manifest: Manifest,
        armed: ArmedRuns | None = None,
    ) -> None:
        self._armed = armed
        self._clock = clock
        self._ledger = ledger
        self._journal = journal
        self._launcher = launcher
        self._max_parallel = manifest.max_parallel
        # Which money a run is about.
        self._trade = {"market": manifest.market, "broker": manifest.broker, "money": manifest.money}
        self._active: dict[str, Active] = {}
        self._ends = RunEnds(clock, ledger, journal, control, self._active)

    def of(self, bot_id: str) -> Active | None:
        """Return the bot's run in progress, or None."""
        return self._active.get(bot_id)

    def bots(self) -> tuple[str, ...]:
        """Return the ids of the bots that have a run in progress."""
        return tuple(self._active)

    def queue(self, claim: Claim, bot: Bot, *, request: Request | None = None, claimed: bool = False) -> None:
        """Take in a slot that is to run; the bot has no other run in progress."""
        active = Active(claim, bot, self._clock.elapsed(), request, claimed=claimed)
        active.queued_at += max(0.0, (active.due - self._clock.now()).total_seconds())
        self._active[bot.id] = active

    def drop(self, bot_id: str) -> None:
        """Forget a slot that was not claimed."""
        del self._active[bot_id]

    def rewind(self, now: datetime) -> list[Active]:
        """Take back, after the clock was set back, what was to start for a time that is yet to come; return the unclaimed."""
        early = [
            active
            for active in self._active.values()
            if active.process is None and active.ending is None and active.claim.slot > now
        ]
        for active in early:
            if active.claimed:
                active.ending = Ending(
                    Failure("the clock was set back to before this run's slot while the run waited to start")
                )
            else:
                self.drop(active.bot.id)
        return [active for active in early if not active.claimed]

    def id_of(self, bot: Bot, slot: datetime) -> str:
        """Return the id of the slot's run: that of the process that waits for it, or a new one."""
        return (self._armed.run_id(bot.id, slot) if self._armed else None) or new_run_id()

    def has_room(self, waiting: int) -> bool:
        """Tell whether one more run could start if as many as are `waiting` had started."""
        return self._room() > waiting

    def _room(self) -> int:
        # A stream, which never makes room again, takes none.
        return self._max_parallel - sum(
            1 for active in self._active.values() if active.process is not None and not active.bot.is_stream
        )

    def kill(self) -> None:
        """End the processes of all runs; what becomes of the runs is for the next loop to find."""
        processes = [active.process for active in self._active.values() if active.process is not None]
        for process in processes:
            process.kill()
        for process in processes:
            while process.poll() is None:  # killed: it ends as soon as the kernel gets to it
                time.sleep(KILLED_WAIT)

    def unclaimed(self) -> list["Active"]:
        """Return the slots that came due and wait for room or for a ledger that can be written."""
        return [active for active in self._active.values() if not active.claimed and active.request is None]

    @property
    def is_idle(self) -> bool:
        """Tell whether no process runs and no end waits to be written."""
        return not any(active.process or active.ending for active in self._active.values())

    def watch(self, steady: float) -> None:
        """See which attempts have ended, and end those that take too long."""
        for active in self._active.values():
            if active.process is not None:
                watch(active, active.process, steady, self._journal.folder)

    def stop_stream(self, bot_id: str, steady: float) -> None:
        """Ask the bot's stream to end, once; it is killed if it does not."""
        active = self._active.get(bot_id)
        if active is None or active.asked_to_stop_at is not None:
            return
        if active.process is None:
            if not active.claimed:
                self.drop(bot_id)
            return
        active.asked_to_stop_at = steady
        active.process.terminate()

    def start(self, steady: float) -> None:
        """Claim what is due, or about to be, and start what is due, as far as there is room."""
        ready = self._ready(steady)
        new = [active for active in ready if not active.claimed]
        taken = {claim.run_id for claim in self._ledger.claim([active.claim for active in new])} if new else set()
        for active in new:
            active.claimed = active.claim.run_id in taken
            if not active.claimed:  # the slot has had its run already, before the clock was set back
                del self._active[active.claim.bot]
        self._begin_all([active for active in ready if active.claimed])
        if len(taken) < len(new):
            self.start(steady)  # there is room for which another run may be waiting

    def begin(self, steady: float) -> None:
        """Start what is due and claimed already, as far as there is room."""
        self._begin_all([active for active in self._ready(steady) if active.claimed])

    def next_begin(self, steady: float) -> datetime | None:
        """Return when the first of the runs that are claimed ahead of their slots is due; it may be due by now."""
        ahead = (active for active in self._ready(steady) if active.claimed and not active.begun)
        return min((active.due for active in ahead if not active.bot.is_stream), default=None)

    def _ready(self, steady: float) -> list[Active]:
        """Return what has no process and could start now, as far as there is room."""
        room = self._room()
        waiting = [active for active in self._active.values() if active.process is None and active.ending is None]
        ready = [active for active in waiting if active.attempt_at <= steady and not active.bot.is_stream][:room]
        return ready + [active for active in waiting if active.bot.is_stream]

    def _begin_all(self, claimed: list[Active]) -> None:
        # All heartbeats first: they are a matter of microseconds, a process takes a millisecond.
        try:
            for active in claimed:
                self._begin(active)
        finally:
            # A heartbeat that cannot be written does not delay a run whose heartbeat is there.
            for active in claimed:
                if active.begun and active.ending is None:
                    self._launch(active)
            if self._armed:  # when all are on their way
                self._armed.measure()

    def _begin(self, active: Active) -> None:
        now, steady = self._clock.now(), self._clock.elapsed()
        if active.begun or now < active.due:
            return  # claimed ahead, or the clock was set back by less than a second: no run starts before its slot
        if self._is_too_late(active, now):
            return
        claim = active.claim
        request = {"request": active.request.id, "by": active.request.by} if active.request else {}
        self._journal.write(
            "run_start",
            now,
            active.run.fields(),
            symbols=active.bot.symbols,
            lateness_ms=milliseconds((now - active.due).total_seconds()),
            queue_wait_ms=milliseconds(steady - max(active.queued_at, active.attempt_at)),
            trigger=claim.trigger,
            **self._trade,
            **request,
        )
        active.begun = True

    def _is_too_late(self, active: Active, now: datetime) -> bool:
        """Tell whether the attempt may not start any more, and end it if so."""
        if active.start_by is None or now <= active.start_by:
            return False
        error = (
            f"attempt {active.claim.attempt} could not start by {active.start_by:%H:%M:%S} UTC: its heartbeat could not be "
            "written, there was no room for it, or the machine slept"
        )
        active.ending = Ending(Failure(error))
        return True

    def _launch(self, active: Active) -> None:
        # Another run's heartbeat that could not be written may have kept this one waiting since its own.
        if self._is_too_late(active, self._clock.now()):
            return
        active.started_at, active.asked_stack_at, active.stack = self._clock.elapsed(), None, None
        try:
            released = self._armed.release(active.run) if self._armed else None
            active.process = released or self._launcher.start(active.run)
        except OSError as error:
            active.ending = Ending(Failure(f"no process could be started for the run: {error}"))

    def end(self, steady: float) -> None:
        """Write down the ends that came; retry what may be retried."""
        self._ends.write(steady)

    def waits(self, steady: float) -> Iterable[float]:
        """Yield in how many seconds something is to be done about a run."""
        for active in self._active.values():
            if active.process is not None and (soon := active.process.poll_within()) is not None:
                yield soon
            if active.ending is not None:
                yield 0.0
            elif active.process is None:
                # Waiting for room ends when a child does, which wakes the loop; a backoff ends by itself.
                if active.attempt_at > steady:
                    yield active.attempt_at - steady
            elif active.stack is not None:
                continue  # killed: its end wakes the loop
            elif active.asked_to_stop_at is not None and steady < active.asked_to_stop_at + STOP_WAIT:
                yield active.asked_to_stop_at + STOP_WAIT - steady
            elif active.asked_stack_at is not None:
                yield active.asked_stack_at + STACK_WAIT - steady
            else:
                yield active.times_out_at - steady


def new_run_id() -> str:
    """Return an id that no other run has."""
    return os.urandom(6).hex()
