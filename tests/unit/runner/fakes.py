"""A clock, a launcher and a whole strategy without waiting: what the tests of the runner are made of."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
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
from openbell.runner.processes import Ending
from openbell.runner.recovery import recover
from openbell.runner.report import Failure
from openbell.strategy.run_state import Run

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday
MOST_IDLE_TURNS = 1000
FIVE_MINUTES = '[[bot]]\nid = "b"\nsymbols = ["AAPL"]\nevery = "5m"\n'
TWO_BOTS = FIVE_MINUTES + '[[bot]]\nid = "c"\nsymbols = ["MSFT"]\nevery = "5m"\n'


def manifest_of(folder: Path, bots: str, *, top: str = "", name: str = "demo") -> Manifest:
    """Return the manifest of a strategy in UTC whose bots (and defaults) the TOML text describes."""
    path = folder / "strategy.toml"
    path.write_text(f'timezone = "UTC"\n{top}\n{bots}\n')
    return load_named(path, name)


class FakeClock:
    """A clock that moves only when it is told to: by a wait, or by a test."""

    def __init__(self, start: datetime = START) -> None:
        self._wall = start
        self._steady = timedelta(seconds=1000)
        self.wakers: list[Callable[[], float | None]] = []  # seconds until something ends a wait early, or None

    def now(self) -> datetime:
        """Return the wall clock's instant."""
        return self._wall

    def elapsed(self) -> float:
        """Return the steady clock's seconds."""
        return self._steady.total_seconds()

    def wait(self, seconds: float) -> None:
        """Move on by `seconds`, or to the first thing that would wake the loop."""
        early = [wait for waker in self.wakers if (wait := waker()) is not None]
        self.advance(min([seconds, *early]))

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        passed = timedelta(microseconds=max(1, round(seconds * 1_000_000)) if seconds > 0 else 0)
        self._wall += passed
        self._steady += passed

    def step(self, seconds: float) -> None:
        """Set the wall clock ahead or back; the steady one does not notice. A suspended machine looks the same."""
        self._wall += timedelta(seconds=seconds)


@dataclass(frozen=True)
class Plan:
    """What a fake attempt does: takes some seconds, then succeeds or fails."""

    seconds: float = 0.1
    failure: Failure | None = None


SUCCEEDS = Plan()
FAILS = Plan(failure=Failure("it broke", "Traceback: it broke"))
HANGS = Plan(seconds=1e9)


class FakeProcess:
    """An attempt that ends when its time has come on the fake clock, or when it is killed."""

    def __init__(self, run: Run, plan: Plan, clock: FakeClock) -> None:
        self.run = run
        self.plan = plan
        self.clock = clock
        self.started_at = clock.now()
        self.ends_at = clock.elapsed() + plan.seconds
        self.was_asked = False
        self.was_killed = False
        self.was_asked_to_end = False
        self.is_reaped = False

    def poll(self) -> Ending | None:
        """Tell how the attempt ended, if it has."""
        if not self.was_killed and self.clock.elapsed() < self.ends_at:
            return None
        self.is_reaped = True
        return Ending(Failure("killed") if self.was_killed else self.plan.failure)

    def poll_within(self) -> float | None:
        """Print nothing past Python."""
        return None

    def ask_stack(self) -> None:
        """Note that the stack was asked for."""
        self.was_asked = True

    def stack(self) -> str:
        """Return a stack if it was asked for."""
        return "File strategy.py, line 7, in run" if self.was_asked else ""

    def terminate(self) -> None:
        """End soon, if the plan has an end at all."""
        self.was_asked_to_end = True
        if self.plan.seconds < HANGS.seconds:
            self.ends_at = self.clock.elapsed() + 0.1

    def kill(self) -> None:
        """End at once."""
        self.was_killed = True


class FakeArmedProcess(FakeProcess):
    """A process that waits for its slot; what it does then is up to the launcher."""

    def __init__(self, run: Run, launcher: "FakeLauncher") -> None:
        super().__init__(run, HANGS, launcher.clock)
        self._launcher = launcher
        self.was_released = False

    def seconds_to_get_ready(self) -> float | None:
        """Return what the launcher says."""
        return self._launcher.seconds_to_get_ready

    def memory(self) -> int:
        """Need a megabyte."""
        return 1 << 20

    def release(self) -> FakeProcess | None:
        """Begin, unless the process is dead."""
        if self.was_killed:
            return None
        self.was_released = self.is_reaped = True
        return self._launcher.start(self.run)


class FakeLauncher:
    """Starts fake attempts as its `plan` says; can be told that there are no processes."""

    def __init__(self, clock: FakeClock, plan: Callable[[Run], Plan] = lambda _: SUCCEEDS) -> None:
        self.clock = clock
        self.plan = plan
        self.processes: list[FakeProcess] = []
        self.armed: list[FakeArmedProcess] = []
        self.seconds_to_get_ready: float | None = 0.01
        self.error: OSError | None = None
        clock.wakers.append(self.next_end)

    def start(self, run: Run) -> FakeProcess:
        """Start an attempt."""
        if self.error is not None:
            raise self.error
        process = FakeProcess(run, self.plan(run), self.clock)
        self.processes.append(process)
        return process

    def arm(self, run: Run) -> FakeArmedProcess:
        """Start a process that waits."""
        if self.error is not None:
            raise self.error
        self.armed.append(FakeArmedProcess(run, self))
        return self.armed[-1]

    def next_end(self) -> float | None:
        """Return in how many seconds the first of the attempts in progress ends, or None."""
        waits = [
            0.0 if process.was_killed else process.ends_at - self.clock.elapsed()
            for process in [*self.processes, *self.armed]
            if not process.is_reaped
        ]
        return max(0.0, min(waits)) if waits else None


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

    def boot(self) -> None:
        """Start a loop as the service does; the one before is forgotten as if it had been killed."""
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
        unfinished = recover(self.manifest, self.ledger, self.journal, self.clock.now(), clean=previous_stop == "clean")
        loop.begin(unfinished)
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
