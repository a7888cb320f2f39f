"""A clock that tests move, and processes of runs that end when their plans say."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from openbell.runner.processes import Ending
from openbell.runner.report import Failure
from openbell.strategy.run_state import Run

START = datetime(2026, 3, 2, 9, 0, tzinfo=UTC)  # a Monday


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
