"""A strategy's loop as its supervisor sees it: the lines and beats that the real one would write, and what becomes of its slots."""

import random
from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path

from openbell import heartbeat
from openbell.control import Control, Pause
from openbell.journal import NO_FIELDS, Journal
from openbell.manifest import Manifest
from tests.unit.supervisor.simulation.agenda import Agenda
from tests.unit.supervisor.simulation.bots import OpenRun, SimulatedBot
from tests.unit.supervisor.simulation.truth import Truth

MS = timedelta(milliseconds=1)
SECOND = timedelta(seconds=1)
WRITE_MARGIN = SECOND  # after its last instant, a run's first line may still be on its way
CREEP = timedelta(days=80)  # in which a run that creeps gets from nothing to its timeout
BEAT_AGE = timedelta(seconds=5)
AT_ONCE = 800  # ms; a run so short is written down at its start


class Loop:
    """One strategy's container."""

    _ids: Iterator[int] = count(1)

    def __init__(
        self, manifest: Manifest, agenda: Agenda, truth: Truth, journal: Path, control: Path, rng: random.Random
    ) -> None:
        self.manifest = manifest
        self.name = manifest.name
        self.agenda, self.truth, self.rng = agenda, truth, rng
        self.folder = journal / self.name
        self.control = Control(control, self.name)
        self.bots = {bot.id: SimulatedBot(bot) for bot in manifest.bots}
        self.up = False
        self.beating = True
        self.fault = ""  # what is being done to it
        self.cause = ""  # the newest thing that was done to it
        self.boot = ""
        self.heard = agenda.now  # when the newest line was written
        self.started: datetime | None = None
        self._beaten: tuple[datetime, tuple[str, ...]] = (agenda.now, ())
        self.journal = Journal(journal, self.name, "", echo=False)
        self.control_root = control
        self._root = journal

    @property
    def is_well(self) -> bool:
        """Tell whether nothing is wrong, and nothing about to be."""
        return (
            self.up
            and self.beating
            and not self.fault
            and not self.truth.has_trouble(self.name)
            and not any(one.fates or one.pending or one.pause for one in self.bots.values())
            and not any(one.open for one in self.bots.values() if not one.bot.is_stream)
        )

    def write(
        self, event: str, at: datetime, run: Mapping[str, object] = NO_FIELDS, level: str = "info", **fields: object
    ) -> None:
        """Write a line of the journal."""
        self.journal.write(event, at, run, level=level, **fields)
        self.heard = max(self.heard, at)
        self.truth.end(at, "not_written", self.name, "")

    # Starts and stops

    def new_boot(self) -> None:
        """Begin a boot, with a journal's writing end of its own."""
        self.close()
        self.boot = f"{next(self._ids):08x}"
        self.journal = Journal(self._root, self.name, self.boot, echo=False)

    def close(self) -> None:
        """Close the journal."""
        self.journal.close()

    def start(self, at: datetime, *, clean: bool = True) -> None:
        """Start, settle what the boot before left open, and run what may still start."""
        self.new_boot()
        self.up = self.beating = True
        self.started = at
        stop = "clean" if clean else "unclean"
        fields = {"release": "abc123", "timezone": self.manifest.timezone, "bots": list(self.bots)}
        self.write("service_start", at, {**fields, "previous_stop": stop, "start": self.manifest.start})
        for name in ("never_started", "cannot_start", "stopped", "stalled"):
            self.truth.end(at, name, self.name, "")
        for one in self.bots.values():
            if one.open is not None:
                self.error(one, at, "the loop ended in the middle of this run (crash, kill or power cut)")
                self.end(one, one.open, at, "interrupted", None)
            if one.bot.is_stream:
                self.stream(one, at)
            else:
                self._catch_up(one, at)
        self.beat(at)

    def stop(self, at: datetime, reason: str = "SIGTERM") -> None:
        """Stop in order; streams end."""
        for one in self.bots.values():
            if one.open is not None and one.bot.is_stream:
                self.end(one, one.open, at, "succeeded", 1.0)
        self.beat(at)
        self.write("service_stop", at, reason=reason)
        self.up = False

    def crash(self, at: datetime) -> None:
        """Die."""
        self.beat(at)
        self.up = False

    def thaw(self, at: datetime) -> None:
        """Turn again after a standstill."""
        self.beating = True
        self.truth.end(at, "stalled", self.name, "")
        for one in self.bots.values():
            self._catch_up(one, at)
        self.beat(at)

    def fail_to_start(self, at: datetime) -> None:
        """Try to start, and say why it cannot."""
        self.new_boot()
        text = "strategy.py cannot be imported: No module named 'pandas'"
        more = {"error": text, "traceback": f"Traceback …\n{text}", "will_retry": True}
        self.write("error", at, {"stage": "start", **more}, level="error")
        self.write("service_stop", at, level="error", reason=f"cannot start: {text}")

    def beat_if_due(self, now: datetime) -> None:
        """Let the beat be at most a few seconds old, as it always is."""
        running = tuple(one.bot.id for one in self.bots.values() if one.open is not None)
        if now - self._beaten[0] > BEAT_AGE or running != self._beaten[1]:
            self.beat(now - self.rng.randint(0, 1900) * MS)

    def beat(self, at: datetime) -> None:
        """Beat, if alive."""
        if not self.up or not self.beating:
            return
        running = tuple(one.bot.id for one in self.bots.values() if one.open is not None)
        streams = {}
        for one in self.bots.values():
            if one.bot.is_stream and one.open is not None:
                one.heard = one.heard if one.silent and one.heard else at
                streams[one.bot.id] = one.heard
        self._beaten = at, running
        self.folder.mkdir(exist_ok=True)
        heartbeat.write(self.folder, heartbeat.Heartbeat(at, self.boot, running, streams))

    def _catch_up(self, one: SimulatedBot, at: datetime) -> None:
        """Decide about the slots of the time without a loop, as `decide` would."""
        bot, slots = one.bot, one.pending
        one.pending = []
        if not slots:
            return
        *older, newest = slots
        expired = [slot for slot in older if at > bot.start_by(slot)]
        within = older[len(expired) :]
        runs = at <= bot.start_by(newest) or bot.catch_up == "latest"
        if not runs:
            expired.append(newest)
        if expired:
            self.skip(one, expired, at, "missed", "late")
        if within:
            self.skip(one, within, at, "skipped", "coalesced")
        if runs:
            self.run(one, newest, at)

    # Slots

    def due(self, one: SimulatedBot, slot: datetime, at: datetime) -> None:
        """Let a slot come due."""
        bot = one.bot
        self.truth.expect(self.name, bot.id, slot)
        if not self.up or not self.beating:
            one.pending.append(slot)
            self.watch_deadline(one, slot)
        elif one.pause is not None and one.pause.covers(slot):
            self.skip(one, [slot], at, "skipped", "paused", paused_by=one.pause.by, pause_reason=one.pause.reason)
        elif one.fates:
            one.fates.popleft()(one, slot, at)
        elif one.open is not None:
            self.skip(one, [slot], at, "skipped", "overlap")
        else:
            self.run(one, slot, at)

    def watch_deadline(self, one: SimulatedBot, slot: datetime) -> None:
        """Say that the slot is missed when its time is over without a word."""

        def over(at: datetime) -> None:
            if self.truth.is_open(self.name, one.bot.id, slot) and not (one.open and one.open.slot == slot):
                self.truth.outcome(at, self.name, one.bot.id, slot, "missed", self.cause)
                if self.up and self.beating and self.heard < slot and self.started is not None and self.started < slot:
                    self.truth.begin(at, "not_written", self.name, "", self.cause)
                    for later in (31, 63):  # the watch reads a beat every half minute only
                        self.agenda.at(at + later * SECOND, lambda _: None)

        self.agenda.at(one.bot.start_by(slot) + WRITE_MARGIN, over)

    def skip(
        self, one: SimulatedBot, slots: list[datetime], at: datetime, outcome: str, reason: str, **more: object
    ) -> None:
        """Write that slots are passed over, as one range."""
        first = {"first": slots[0]} if len(slots) > 1 else {}
        fields = {"bot": one.bot.id, "slot": slots[-1], "outcome": outcome, "reason": reason, "count": len(slots)}
        self.write("slot_skipped", at, {**fields, **first, **more}, level="warning")
        for slot in slots:
            self.truth.outcome(at, self.name, one.bot.id, slot, outcome, self.cause)
        one.overlapped.update(slots if reason == "overlap" else ())
        self.truth.overlaps(at, self.name, one.bot.id, one.overlapped, self.cause)

    def pause(self, one: SimulatedBot, at: datetime, length: timedelta) -> None:
        """Pause a bot for some time."""
        one.pause = Pause(at, at + length, "ann", "earnings")
        self.control.prepare()
        self.control.pause(one.bot.id, one.pause)

        def over(then: datetime) -> None:
            one.pause = None
            self.control.resume(one.bot.id)

        self.agenda.at(at + length, over)

    # Runs

    def run(
        self,
        one: SimulatedBot,
        slot: datetime,
        at: datetime,
        outcome: str = "succeeded",
        lasts: timedelta | None = None,
        trigger: str = "loop",
    ) -> OpenRun:
        """Run a slot to its end."""
        rng = self.rng
        if lasts is None and one.creeps_since is not None:
            lasts = min(0.9, 0.03 + (at - one.creeps_since) / CREEP) * one.bot.timeout * rng.uniform(0.97, 1.03)
        elif lasts is None:
            long = rng.random() < 0.003
            lasts = rng.uniform(0.1, 0.8) * one.bot.timeout if long else rng.randint(5, AT_ONCE) * MS
        run = self.begin(one, slot, at + rng.randint(1, 9) * MS, trigger=trigger)
        if lasts <= AT_ONCE * MS:
            self.end(one, run, at + 10 * MS + lasts, outcome, lasts / MS)
        else:
            self.agenda.at(at + lasts, lambda then: self.end(one, run, then, outcome, lasts / MS))
        return run

    def run_aside(self, one: SimulatedBot, slot: datetime, at: datetime) -> None:
        """Run a slot well beside the run that is open."""
        held = one.open
        run = self.begin(one, slot, at)
        self.end(one, run, at + 200 * MS, "succeeded", 199.0)
        one.open = held

    def begin(self, one: SimulatedBot, slot: datetime, at: datetime, trigger: str = "loop") -> OpenRun:
        """Write the start of a run, which is open then."""
        one.open = OpenRun(f"{next(self._ids):012x}", slot, trigger=trigger)
        self.write_start(one, one.open, at)
        return one.open

    def write_start(self, one: SimulatedBot, run: OpenRun, at: datetime) -> None:
        """Write the heartbeat of an attempt."""
        fields = {"symbols": one.bot.symbols, "lateness_ms": round((at - run.slot) / MS, 3), "queue_wait_ms": 0.1}
        self.write("run_start", at, {**self.fields(one, run), **fields}, trigger=run.trigger)

    def error(self, one: SimulatedBot, at: datetime, text: str, *, will_retry: bool = False) -> None:
        """Write an error of the open run."""
        if one.open is not None:
            more = {"error": text, "traceback": f"Traceback …\n{text}", "will_retry": will_retry}
            self.write("error", at, {**self.fields(one, one.open), **more}, level="error")

    def end(self, one: SimulatedBot, run: OpenRun, at: datetime, outcome: str, lasted: float | None) -> None:
        """Write the end of a run, unless it was ended before, or no loop is there to write it."""
        if one.open is not run or not self.up:
            return
        one.open = None
        level = "info" if outcome == "succeeded" else "error"
        fields = {"outcome": outcome, "tick_duration_ms": lasted, "signal_generated": False, "orders": 0}
        self.write("run_end", at, {**self.fields(one, run), **fields}, level=level, trigger=run.trigger)
        if run.hung:
            self.truth.end(at, "hung", self.name, one.bot.id)
        if run.trigger == "loop" and self.truth.expects(self.name, one.bot.id, run.slot):
            self.truth.outcome(at, self.name, one.bot.id, run.slot, outcome, self.cause)
            self.truth.overlaps(at, self.name, one.bot.id, one.overlapped, self.cause)

    def fields(self, one: SimulatedBot, run: OpenRun) -> dict[str, object]:
        """Return what every line of a run has."""
        return {"bot": one.bot.id, "slot": run.slot, "run_id": run.run_id, "attempt": run.attempt}

    def stream(self, one: SimulatedBot, at: datetime) -> None:
        """Start a stream."""
        one.silent, one.heard = False, at
        self.begin(one, at, at, trigger="stream")
        self.truth.end(at, "stream_ended", self.name, one.bot.id)
        self.truth.end(at, "stream_silent", self.name, one.bot.id)
