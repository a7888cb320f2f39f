"""Runs in progress: claimed, started, watched, retried, and ended with exactly one outcome."""

import os
import time
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from openbell import heartbeat
from openbell.control import Control, Pause, Request
from openbell.journal import Journal
from openbell.ledger import Claim, EpochLostError, Ledger
from openbell.manifest import Bot, Manifest
from openbell.runner.armed import ArmedRuns
from openbell.runner.clock import Clock
from openbell.runner.processes import Ending, Launcher, RunProcess
from openbell.runner.report import Failure
from openbell.strategy.run_state import Run

STOP_WAIT = 10.0  # seconds that a stream is given to end by itself
KILLED_WAIT = 0.002  # seconds between two looks at whether a killed process has ended
STACK_WAIT = 0.5  # seconds that a hung run is given to dump its stack
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
    beat: datetime | None = None  # of a stream, the newest
    beat_at: float = 0.0  # elapsed seconds at which it was noticed
    asked_to_stop_at: float | None = None  # a stream
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
    def may_start_late(self) -> bool:
        """Tell whether the slot's grace does not bind the run."""
        return self.request is not None or self.bot.is_stream

    @property
    def start_by(self) -> datetime | None:
        """The instant after which the current attempt may not start any more; None if it may at any time."""
        if self.claim.attempt > 1:
            return self.bot.retry_by(self.claim.slot)
        return None if self.may_start_late else self.bot.catch_up_by(self.claim.slot)

    @property
    def times_out_at(self) -> float:
        """The elapsed seconds at which the attempt is hung: after its start, or a stream's last beat."""
        return max(self.started_at, self.beat_at) + self.bot.timeout.total_seconds()

    @property
    def outcome(self) -> str:
        """How the slot ends, once `ending` is there and no retry follows."""
        if self.ending is not None and self.ending.failure is None:
            return "succeeded"
        return "failed" if self.stack is None else "timed_out"


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
        self._control = control
        self._launcher = launcher
        self._max_parallel = manifest.max_parallel
        # Which money a run is about.
        self._trade = {"market": manifest.market, "broker": manifest.broker, "money": manifest.money}
        self._active: dict[str, Active] = {}

    def of(self, bot_id: str) -> Active | None:
        """Return the bot's run in progress, or None."""
        return self._active.get(bot_id)

    def bots(self) -> tuple[str, ...]:
        """Return the ids of the bots that have a run in progress."""
        return tuple(self._active)

    def queue(self, claim: Claim, bot: Bot, *, request: Request | None = None, claimed: bool = False) -> None:
        """Take in a slot that is to run; the bot has no other run in progress."""
        self._active[bot.id] = Active(claim, bot, self._clock.elapsed(), request, claimed=claimed)

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
            process = active.process
            if process is None:
                continue
            if active.bot.is_stream:
                self._watch_stream(active, process, steady)
            if (
                active.asked_stack_at is not None
                and steady >= active.asked_stack_at + STACK_WAIT
                and active.stack is None
            ):
                active.stack = process.stack()
                process.kill()
            ending = process.poll()
            if ending is not None:
                active.process = None
                if active.stack is not None:
                    ending = Ending(Failure(_timed_out(active.bot), active.stack))
                elif active.asked_to_stop_at is not None:
                    ending = Ending(None)  # however it ended: it was to
                active.ending = ending
                active.duration = steady - active.started_at
            elif active.asked_stack_at is None and steady >= active.times_out_at:
                active.asked_stack_at = steady
                process.ask_stack()

    def _watch_stream(self, active: Active, process: RunProcess, steady: float) -> None:
        newest = heartbeat.stream_beat(self._journal.folder, active.bot.id)
        if newest != active.beat:
            active.beat, active.beat_at = newest, steady
        if active.asked_to_stop_at is not None and steady >= active.asked_to_stop_at + STOP_WAIT:
            process.kill()

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
        """Claim and start what is due, as far as there is room."""
        room = self._room()
        waiting = [active for active in self._active.values() if active.process is None and active.ending is None]
        ready = [active for active in waiting if active.attempt_at <= steady and not active.bot.is_stream][:room]
        ready += [active for active in waiting if active.bot.is_stream]
        new = [active for active in ready if not active.claimed]
        taken = {claim.run_id for claim in self._ledger.claim([active.claim for active in new])} if new else set()
        for active in new:
            active.claimed = active.claim.run_id in taken
            if not active.claimed:  # the slot has had its run already, before the clock was set back
                del self._active[active.claim.bot]
        # All heartbeats first: they are a matter of microseconds, a process takes a millisecond.
        claimed = [active for active in ready if active.claimed]
        try:
            for active in claimed:
                self._begin(active)
        finally:
            # A heartbeat that cannot be written does not delay a run whose heartbeat is there.
            for active in claimed:
                if active.begun and active.ending is None:
                    self._launch(active)
        if len(taken) < len(new):
            self.start(steady)  # there is room for which another run may be waiting

    def _begin(self, active: Active) -> None:
        now, steady = self._clock.now(), self._clock.elapsed()
        if active.begun or now < active.claim.slot:
            return  # the clock was set back by less than a second: no run starts before its slot
        if self._is_too_late(active, now):
            return
        claim = active.claim
        request = {"request": active.request.id, "by": active.request.by} if active.request else {}
        self._journal.write(
            "run_start",
            now,
            active.run.fields(),
            symbols=active.bot.symbols,
            lateness_ms=_milliseconds((now - _due(active)).total_seconds()),
            queue_wait_ms=_milliseconds(steady - max(active.queued_at, active.attempt_at)),
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
                self.drop(active.bot.id)  # the run goes on elsewhere, and is told there
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
            self.drop(claim.bot)

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
            tick_duration_ms=_milliseconds(active.duration),
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


def _timed_out(bot: Bot) -> str:
    timeout = f"its timeout of {bot.timeout.total_seconds():g} s and was killed"
    return f"the stream has not beaten for {timeout}" if bot.is_stream else f"the run took longer than {timeout}"


def new_run_id() -> str:
    """Return an id that no other run has."""
    return os.urandom(6).hex()


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 3)


def _due(active: Active) -> datetime:
    """Return when a run is due: at its slot with the bot's share of the stagger, which runs that have no slot do not have."""
    slot = active.claim.slot
    has_no_slot = active.request is not None or active.bot.is_stream
    return slot if has_no_slot else slot + active.bot.shift
