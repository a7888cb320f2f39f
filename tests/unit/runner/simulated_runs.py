"""The processes of a simulation's runs: slow, breaking, hanging or killed at any moment, and streams."""

import os
import random
from datetime import timedelta

from openbell import heartbeat
from openbell.runner.child import SELF_DESTRUCT_MARGIN
from openbell.runner.processes import Ending
from openbell.runner.report import Failure
from openbell.slots import next_slot
from openbell.strategy.run_state import Run
from tests.unit.runner.simulated import TICK, Fate, Time
from tests.unit.runner.simulated_work import Plan, Workshop


class SimulatedProcess:
    """A run's process: works and ends when its time has come."""

    def __init__(self, run: Run, plan: Plan, time: Time, workshop: Workshop) -> None:
        self.run = run
        self.plan = plan
        self._time = time
        self._workshop = workshop
        now = time.elapsed()
        self.ends_at = now + plan.seconds
        self._works_at = now + plan.works_after
        self._alarm_at = now + run.bot.timeout.total_seconds() + SELF_DESTRUCT_MARGIN
        self._ending: Ending | None = None
        self.is_alive = True
        self.wakes = False  # it was killed, which the loop has not seen yet

    def next_moment(self) -> float:
        """Return the elapsed seconds at which the process does its next thing."""
        return min(self.ends_at, self._alarm_at) if self._ending else min(self._works_at, self._alarm_at)

    def poll(self) -> Ending | None:
        """Do what is due, and tell how the process ended if it has."""
        now = self._time.elapsed()
        if self.is_alive and self._ending is None and now >= self._works_at:
            self._ending = self._workshop.work(self.run, self.plan)
            if self._ending.failure is not None:
                self.ends_at = now
        if self.is_alive and (now >= self._alarm_at or (self._ending is not None and now >= self.ends_at)):
            self.is_alive = False
        if self.is_alive:
            return None
        self.wakes = False
        return self._ending or Ending(Failure("the run was killed"))

    def poll_within(self) -> float | None:
        """Print nothing past Python."""
        return None

    def ask_stack(self) -> None:
        """Do nothing: there is no stack."""

    def stack(self) -> str:
        """Return a stack."""
        return "File strategy.py, line 7, in run"

    def terminate(self) -> None:
        """Do nothing: no bot of the simulation is a stream."""

    def kill(self) -> None:
        """End at once; that wakes the loop."""
        self.is_alive = False
        self.wakes = True

    def die(self, rng: random.Random) -> None:
        """End with the container, perhaps in the middle of the work."""
        if self.is_alive and self._ending is None and rng.random() < 0.5:
            self._workshop.work(self.run, Plan(0, 0, rng.randint(1, 14), is_killed=True))
        self.is_alive = False


class SimulatedArmedProcess:
    """A process that waits for its slot. Some die before it, some are slow to get ready."""

    def __init__(self, run: Run, launcher: "SimulatedLauncher", rng: random.Random) -> None:
        self.run = run
        self._launcher = launcher
        self._took = rng.choice((None, 0.001, 0.5, 20.0))
        self._dies = rng.random() < 0.1
        self.is_alive = True

    def seconds_to_get_ready(self) -> float | None:
        """Return how long it took."""
        return self._took

    def memory(self) -> int:
        """Need little."""
        return 1 << 20

    def release(self) -> SimulatedProcess | None:
        """Begin; a process that has died, or that dies with the signal unread, does not."""
        if not self.is_alive or self._dies:
            self.is_alive = False
            return None
        self.is_alive = False
        return self._launcher.start(self.run)

    def poll(self) -> Ending | None:
        """Tell whether it was killed."""
        return None if self.is_alive else Ending(Failure("the run was killed"))

    def poll_within(self) -> float | None:
        """Print nothing past Python."""
        return None

    def ask_stack(self) -> None:
        """Do nothing: there is no stack."""

    def stack(self) -> str:
        """Return no stack."""
        return ""

    def terminate(self) -> None:
        """End."""
        self.kill()

    def kill(self) -> None:
        """End at once."""
        self.is_alive = False


class SimulatedStream(SimulatedProcess):
    """A stream's process: beats until it breaks, falls silent or is asked to end."""

    def __init__(self, run: Run, plan: Plan, time: Time, workshop: Workshop) -> None:
        super().__init__(run, plan, time, workshop)
        self._folder = workshop.folder
        self._every = run.bot.timeout.total_seconds() / 3
        self._beats_at = time.elapsed()
        self._is_stubborn = plan.ends_at_step is not None

    def next_moment(self) -> float:
        """Return the elapsed seconds at which the stream beats or ends."""
        return min(self.ends_at, self._beats_at)

    def poll(self) -> Ending | None:
        """Beat if it is time to, and tell how the stream ended if it has."""
        now = self._time.elapsed()
        if self.is_alive and now >= self._beats_at:
            heartbeat.touch_stream(self._folder, self.run.bot.id)
            at = self._time.wall.timestamp()
            os.utime(self._folder / "streams" / self.run.bot.id, (at, at))
            # Silent from some beat on: the loop has to notice.
            self._beats_at = now + self._every if now < self.ends_at - self.plan.works_after else float("inf")
        if self.is_alive and now >= self.ends_at:
            self.is_alive = False
        if self.is_alive:
            return None
        self.wakes = False
        return Ending(Failure("the feed was cut"))

    def terminate(self) -> None:
        """End soon, or not at all."""
        if not self._is_stubborn:
            self.ends_at = min(self.ends_at, self._time.elapsed() + 0.2)

    def die(self, rng: random.Random) -> None:
        """End with the container, or, if only the loop is gone, at the next beat."""
        self.is_alive = False


class SimulatedLauncher:
    """Starts simulated processes and notes those that are too late, or not alone."""

    def __init__(self, rng: random.Random, time: Time, workshop: Workshop, fate: Fate) -> None:
        self._rng = rng
        self._time = time
        self._workshop = workshop
        self._fate = fate
        self.alive: list[SimulatedProcess] = []
        self.armed: list[SimulatedArmedProcess] = []
        self.problems: list[str] = []
        self.started = 0
        self.calm = False  # in calm all runs succeed

    def start(self, run: Run) -> SimulatedProcess:
        """Start one, unless there are no processes now."""
        self._fate.tick()
        if self._fate.in_trouble and self._rng.random() < 0.2:
            raise OSError(11, "Resource temporarily unavailable")
        self.alive = [process for process in self.alive if process.is_alive]
        if any(process.run.bot.id == run.bot.id for process in self.alive):
            self.problems.append(f"a bot with two runs at once: {run.bot.id} {run.slot}")
        if self._is_late(run):
            told = f"{run.bot.id} {run.slot}, attempt {run.attempt} at {self._time.wall}"
            self.problems.append(f"a process started past its time: {told}")
        self.started += 1
        kind = SimulatedStream if run.bot.is_stream else SimulatedProcess
        process = kind(run, self._plan(run), self._time, self._workshop)
        self.alive.append(process)
        self._fate.tick()
        return process

    def arm(self, run: Run) -> SimulatedArmedProcess:
        """Start one that waits, unless there are no processes now."""
        self._fate.tick()
        if self._fate.in_trouble and self._rng.random() < 0.2:
            raise OSError(11, "Resource temporarily unavailable")
        waiting = [one for one in self.armed if one.is_alive]
        if any(one.run.bot.id == run.bot.id for one in waiting):
            self.problems.append(f"a bot with two processes that wait: {run.bot.id} {run.slot}")
        if run.slot + run.bot.shift <= self._time.wall:
            self.problems.append(f"a process waits for a slot that is there: {run.bot.id} {run.slot}")
        self.armed = [*waiting, SimulatedArmedProcess(run, self, self._rng)]
        return self.armed[-1]

    def _is_late(self, run: Run) -> bool:
        by = run.bot.start_by(run.slot) if run.attempt == 1 else run.bot.retry_by(run.slot)
        if self._time.wall <= by + timedelta(seconds=1) or (run.bot.catch_up == "latest" and run.attempt == 1):
            return False
        return next_slot(run.bot.schedule, run.slot - TICK) == run.slot  # else a request, which no grace binds

    def next_moment(self) -> float:
        """Return the elapsed seconds at which the next of the processes does something."""
        moments = (process.next_moment() for process in self.alive if process.is_alive)
        return (
            self._time.elapsed() if any(process.wakes for process in self.alive) else min(moments, default=float("inf"))
        )

    def _plan(self, run: Run) -> Plan:
        rng, timeout = self._rng, run.bot.timeout.total_seconds()
        if run.bot.is_stream:
            hours = rng.choice((0.001, 0.1, 5.0, 50.0)) * rng.random()
            silent, stubborn = rng.random() < 0.3, rng.random() < 0.2
            return Plan(hours * 3600, 10 * timeout if silent else 0.0, 1 if stubborn else None)
        seconds = rng.choice((0.01, 0.5, 3.0, timeout * 0.9)) * rng.random()
        if self.calm:
            return Plan(seconds, seconds / 2)
        kind = rng.random()
        if kind < 0.80:
            return Plan(seconds, seconds * rng.random())
        if kind < 0.88:
            return Plan(seconds, seconds * rng.random(), rng.randint(1, 16))
        if kind < 0.95:
            return Plan(seconds, seconds * rng.random(), rng.randint(1, 16), is_killed=True)
        # Hangs, before its work or after it; or overruns its slot's successor.
        return Plan(1e9, rng.choice((0.1, 1e9)))
