"""A clock, a launcher and a whole strategy without waiting: what the tests of the runner are made of."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path

from openbell.control import Control
from openbell.journal import Event, Journal, since
from openbell.ledger import Ledger
from openbell.manifest import Manifest, load_named
from openbell.runner.armed import ArmedRuns
from openbell.runner.flattening import Flattening
from openbell.runner.loop import Loop
from openbell.runner.loop_control import LoopControl
from openbell.runner.loop_services import LoopServices
from openbell.runner.recovery import recover
from tests.unit.runner.fake_processes import START, FakeClock, FakeLauncher

MOST_IDLE_TURNS = 1000
FIVE_MINUTES = '[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "5m"\n'
TWO_BOTS = FIVE_MINUTES + '[[bot]]\nid = "c"\nsymbols = ["MSFT"]\nevery = "5m"\n'


def manifest_of(folder: Path, bots: str, *, top: str = "", name: str = "demo") -> Manifest:
    """Return the manifest of a strategy in UTC whose bots (and defaults) the TOML text describes."""
    path = folder / "strategy.toml"
    path.write_text(f'timezone = "UTC"\n{top}\n{bots}\n')
    return load_named(path, name)


@dataclass
class Rig:
    """A strategy's loop on a fake clock, with a real ledger, a real journal and a real control folder."""

    folder: Path
    manifest: Manifest
    clock: FakeClock = field(default_factory=FakeClock)
    flattening: Flattening = field(default_factory=Flattening)

    def __post_init__(self) -> None:
        self.launcher = FakeLauncher(self.clock)
        self.free_memory = 1 << 30
        self.control = Control(self.folder / "control", self.manifest.name)
        self.control.prepare()
        self.boots = 0
        self.boot()

    def boot(self, *, unknown_until: datetime | None = None) -> None:
        """Start a loop as the service does; the one before is forgotten as if it had been killed.

        unknown_until: a database has lost commits, and it is that late by its clock.
        """
        self.boots += 1
        self.ledger = Ledger(self.folder / "state" / "ledger.sqlite")
        self.journal = Journal(self.folder / "journal", self.manifest.name, f"boot{self.boots}", echo=False)
        control = self.folder / "control"
        self.loop_control = LoopControl(control, self.manifest.name, self.journal.folder, f"boot{self.boots}")
        services = LoopServices(
            self.clock,
            self.ledger,
            self.journal,
            self.loop_control,
            self.launcher,
            armed=ArmedRuns(self.launcher, free_memory=lambda: self.free_memory),
            flattening=self.flattening,
        )
        loop = Loop(self.manifest, services, f"boot{self.boots}")
        previous_stop = self.ledger.fact("previous stop") or "clean"
        self.journal.write("service_start", self.clock.now(), previous_stop=previous_stop)
        self.ledger.remember("previous stop", "unclean")
        clean, lost_commits = previous_stop == "clean", unknown_until is not None
        now = self.clock.now()
        unfinished = recover(self.manifest, self.ledger, self.journal, now, clean=clean, lost_commits=lost_commits)
        loop.begin(unfinished, unknown_until=unknown_until)
        self.loop = loop

    def close(self) -> None:
        """Give back what the last loop has open."""
        self.ledger.close()
        self.journal.close()

    def kill(self) -> None:
        """Kill the loop and its runs with -9."""
        self.close()
        for process in [*self.launcher.processes, *self.launcher.armed]:
            process.is_reaped = True

    def run_for(self, seconds: float) -> None:
        """Let the loop turn for a while."""
        end = self.clock.elapsed() + seconds
        idle_turns = 0
        while (left := end - self.clock.elapsed()) > 0:
            wait = self.loop.step()
            idle_turns = 0 if wait > 0 else idle_turns + 1
            assert idle_turns < MOST_IDLE_TURNS, "the loop spins without a wait"
            self.clock.wait(min(wait, left))
        self.loop.step()

    def run_until(self, clock: str) -> None:
        """Let the loop turn until the wall clock shows `HH:MM` or `HH:MM:SS` of its day."""
        at = at_time(clock, self.clock.now())
        self.run_for((at - self.clock.now()).total_seconds())

    def run_clock_to(self, clock: str) -> None:
        """Let time pass without a loop until the wall clock shows `clock`."""
        self.clock.advance((at_time(clock, self.clock.now()) - self.clock.now()).total_seconds())

    def drain(self, most: float = 600) -> None:
        """Stop the loop as SIGTERM does."""
        self.loop.draining = True
        end = self.clock.elapsed() + most
        while not self.loop.is_drained:
            assert self.clock.elapsed() < end, "the loop does not drain"
            self.clock.wait(self.loop.step())
        self.loop.finish("SIGTERM")
        self.close()

    def events(self, event: str = "") -> list[Event]:
        """Return the journal's lines, or those of one event."""
        found = since(self.journal.folder, START.date() - timedelta(days=4000))
        return [line for line in found if event in {"", line["event"]}]

    def outcomes(self) -> list[tuple[str, str]]:
        """Return what became of each slot, in the journal's order: ("09:05", "succeeded" or "skipped: late" or "missed: late x3")."""
        told: list[tuple[str, str]] = []
        for line in self.events():
            if line["event"] == "run_end":
                told.append((clock_of(line), str(line["outcome"])))
            elif line["event"] == "slot_skipped":
                count = f" x{line['count']}" if line["count"] != 1 else ""
                told.append((clock_of(line), f"{line['outcome']}: {line['reason']}{count}"))
        return told

    def starts(self) -> list[tuple[str, int, float]]:
        """Return, for each run_start, the slot's time of day, the attempt and the lateness in seconds."""
        return [
            (clock_of(line), int(str(line["attempt"])), float(str(line["lateness_ms"])) / 1000)
            for line in self.events("run_start")
        ]


NewRig = Callable[..., Rig]  # what the fixture `rig` gives


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 60) -> None:
    """Return as soon as the condition holds; fail with `what` did not happen if it does not in time."""
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"{what} did not happen within {seconds:g} s"
        time.sleep(0.005)


def at_time(clock: str, day: datetime) -> datetime:
    """Return the instant at which the clock shows `HH:MM` or `HH:MM:SS` (UTC) on the day of `day`."""
    hours, minutes, *seconds = (int(part) for part in clock.split(":"))
    return day.replace(hour=hours, minute=minutes, second=sum(seconds), microsecond=0)


def clock_of(line: Event) -> str:
    """Return the time of day of a line's slot."""
    return str(line["slot"])[11:16]


def failing(error: Exception) -> Callable[..., None]:
    """Return a stand-in for a method that raises."""

    def fail(*_: object, **__: object) -> None:
        raise error

    return fail
