"""The simulator: the real loop, ledger, journal, recovery and context through months of bad luck, on a fake clock.

    python -m tests.unit.runner.simulation --seed 1 --days 365

Each seed is one history: kills at any write, power cuts, slow, failing, dying and hanging runs, restarts after seconds
to days, clean stops, clock steps, suspends, full disks, pauses and requests. At the end `checks.py` looks at the
journal, the ledger and the broker.
"""

import argparse
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time as real_time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from openbell.control import Control, Pause
from openbell.journal import Journal, days
from openbell.ledger import Ledger
from openbell.manifest import Anchor, Bot, Limits, Manifest, Schedule
from openbell.runner import loop as loops
from openbell.runner.armed import ArmedRuns
from openbell.runner.loop import Loop
from openbell.runner.loop_control import LoopControl
from openbell.runner.loop_services import LoopServices
from openbell.runner.recovery import recover
from openbell.strategy.executable import StrategyFunction
from openbell.trading.markets import Market
from tests.unit.runner.checks import Record, problems
from tests.unit.runner.simulated import CountingBroker, Fate, Killed, NoMarket, Time
from tests.unit.runner.simulated_runs import SimulatedLauncher, Workshop, strategy

START = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
STOP_GRACE = 330.0  # seconds between SIGTERM and SIGKILL
TELL_EVERY = 8.0  # seconds
LONGEST_WAIT = 60.0  # the loop's own second would cost a year thirty million turns

MINUTE = timedelta(minutes=1)


def the_manifest() -> Manifest:
    """Return a strategy with bots of all kinds."""
    daily = Schedule(
        "America/New_York",
        "XNYS",
        at=(Anchor("clock", datetime(2026, 1, 1, 9, 35).time()), Anchor("close", shift=-10 * MINUTE)),  # noqa: DTZ001 - local
    )

    def bot(name: str, schedule: Schedule, index: int, **settings: object) -> Bot:
        shift = index * timedelta(seconds=2)
        return Bot("demo", name, ("AAPL", "MSFT")[: 1 + index % 2], schedule, shift=shift, **settings)  # type: ignore[arg-type]

    bots = (
        bot("daily", daily, 0, grace=5 * MINUTE, retries=3),
        bot("five", Schedule("UTC", every=5 * MINUTE), 1, timeout=8 * MINUTE),
        bot("quarter", Schedule("UTC", every=15 * MINUTE, offset=timedelta(seconds=5)), 2, catch_up="latest", halt_after=6),
        bot("hourly", Schedule("UTC", every=60 * MINUTE, offset=7 * MINUTE), 3, grace=10 * MINUTE, timeout=5 * MINUTE),
        bot("patient", Schedule("UTC", every=30 * MINUTE), 5, grace=70 * MINUTE, retries=1, timeout=MINUTE),
        bot("hasty", Schedule("UTC", every=30 * MINUTE), 4, grace=timedelta(seconds=9), timeout=timedelta(seconds=4), retries=0),
        bot("stream", Schedule("UTC"), 6, kind="stream", timeout=30 * MINUTE),
    )  # fmt: skip
    return Manifest("demo", "", "UTC", None, "sample", "paper", (), "warm", 2, bots, limits=Limits(short=True))


@dataclass(frozen=True)
class Result:
    """What a simulation saw."""

    seed: int
    slots: int
    outcomes: Counter[str]
    events: Counter[str]
    boots: int
    runs: int
    orders: int
    seconds: float
    problems: list[str]

    def __str__(self) -> str:
        """Return the figures, and the seed first, so that a failure can be had again."""
        told = ", ".join(f"{count} {name}" for name, count in sorted(self.outcomes.items()))
        events = ", ".join(f"{count} {name}" for name, count in sorted(self.events.items()))
        head = (
            f"seed {self.seed}: {self.slots} slots in {self.seconds:.1f} s: {self.boots} boots, {self.runs} attempts, "
            f"{self.orders} orders; {told}; {events}"
        )
        return "\n".join([head, *(f"  {problem}" for problem in self.problems[:20])])


class Simulation:
    """One history."""

    def __init__(
        self,
        seed: int,
        folder: Path,
        length: timedelta,
        *,
        between: float = 3 * 3600,
        manifest: Manifest | None = None,
        function: StrategyFunction = strategy,
        market: Market | None = None,
    ) -> None:
        """`manifest`, `function` and `market` are those of the strategy; without them it has bots of all kinds.

        `between`: seconds between two happenings, on average.
        """
        self.seed = seed
        self.folder = folder
        self.length = length
        self.rng = random.Random(seed)
        self.time = Time(START)
        self.manifest = manifest or the_manifest()
        self.function, self.market = function, market or NoMarket()
        self.broker = CountingBroker(self.rng, self.time)
        self.control = Control(folder / "control", self.manifest.name)
        self.control.prepare()
        self.fate = Fate(self.rng, self.time)
        self.events: Counter[str] = Counter()
        self.boots = 0
        self.say: Callable[[str], None] = lambda _: None  # told where the history is, now and then
        self.started = 0
        self.found: list[str] = []
        self._mean = between
        self._next_event = self._soon()
        self._synced: dict[int, int] = {}  # inode → bytes that survive a power cut
        self._deadline = float("inf")  # elapsed seconds at which the kernel's patience with the loop ends
        self._calm = False
        self._over_at = datetime.max.replace(tzinfo=UTC)

    def run(self) -> Result:
        """Live through it all, then check."""
        began = told = real_time.monotonic()
        with self._longer_waits(), self._watched_syncs():
            while not self._is_long_enough():
                self._life()
                if real_time.monotonic() - told > TELL_EVERY:
                    told = real_time.monotonic()
                    self.say(f"{self.time.now():%Y-%m-%d}, boot {self.boots}")
            self._calm_down()
            self._life()
        end = self._over_at
        record = Record(self.manifest, self.folder / "journal" / self.manifest.name)
        ledger = self.folder / "state" / "ledger.sqlite"
        self.found += problems(self.manifest, record, START, end, self.time.rewound, ledger, self.broker)
        slots = len(set(record.ends) | set(record.skips))
        took = real_time.monotonic() - began
        return Result(
            self.seed,
            slots,
            record.outcomes,
            self.events,
            self.boots,
            self.started,
            len(self.broker.orders),
            took,
            self.found,
        )

    # One boot

    def _life(self) -> None:
        """Boot a loop and let it turn until it is killed, stopped, or the simulation is over."""
        self.boots += 1
        name = f"boot{self.boots}"
        journal, side_journal = (
            Journal(self.folder / "journal", self.manifest.name, name, echo=False) for _ in range(2)
        )
        ledger, side_ledger = (Ledger(self.folder / "state" / "ledger.sqlite") for _ in range(2))
        workshop = Workshop(self.manifest, self.time, self.broker, side_ledger, side_journal)
        workshop.function, workshop.market = self.function, self.market
        launcher = SimulatedLauncher(self.rng, self.time, workshop, self.fate)
        launcher.calm = self._calm
        control = LoopControl(self.folder / "control", self.manifest.name, journal.folder, name)
        self.fate.journal(journal)
        self.fate.ledger(ledger)
        for method in ("pause", "done"):
            setattr(control, method, self.fate.fated(getattr(control, method), OSError(28, "No space left on device")))
        armed = ArmedRuns(launcher, free_memory=lambda: None)
        loop = Loop(self.manifest, LoopServices(self.time, ledger, journal, control, launcher, armed=armed), name)
        how = "crash"
        try:
            self._begin(loop, ledger, journal)
            how = self._turn(loop, launcher)
        except Killed:
            how = self.rng.choice(("crash", "crash", "orphans", "power cut"))
        except (OSError, sqlite3.Error):
            self.events["could not start or stop"] += 1
        finally:
            self.fate.kill_in = None
            self._end(how, launcher)
            self.started += launcher.started
            self.found += launcher.problems
            for one in (ledger, side_ledger):
                one.close()
            for lines in (journal, side_journal):
                lines.close()
            if how == "power cut":
                self._cut_power()

    def _begin(self, loop: Loop, ledger: Ledger, journal: Journal) -> None:
        """As the service does."""
        previous_stop = ledger.fact("previous stop") or "clean"
        journal.write("service_start", self.time.now(), previous_stop=previous_stop)
        ledger.remember("previous stop", "unclean")
        loop.begin(recover(self.manifest, ledger, journal, self.time.now(), clean=previous_stop == "clean"))

    def _turn(self, loop: Loop, launcher: SimulatedLauncher) -> str:
        """Let the loop turn; return how it ended."""
        idle_turns = 0
        while True:
            if loop.is_drained:
                loop.finish("SIGTERM")
                return "stopped"
            if self.time.elapsed() >= self._deadline:
                return "crash"
            wait = loop.step()
            idle_turns = idle_turns + 1 if wait <= 0 else 0
            if idle_turns > 1000:
                self.found.append("the loop spins without a wait")
                return "crash"
            if self._is_long_enough() and not self._calm:
                return "crash"
            if self._is_over(loop) and not loop.draining:
                self._over_at = self.time.wall
                loop.draining = True
            moments = [launcher.next_moment(), self._next_event, self._deadline]
            self.time.wait(min([wait, *(max(0.0, moment - self.time.elapsed()) for moment in moments)]))
            if self.time.elapsed() >= self._next_event:
                self._next_event = self._soon()
                if (end := self._happen(loop)) is not None:
                    return end

    def _is_long_enough(self) -> bool:
        return self.time.newest >= START + self.length

    def _is_over(self, loop: Loop) -> bool:
        """Tell whether all is done: no run is in progress, and no slot has come due that is still to be decided on."""
        wall = self.time.wall
        return (
            wall >= self._over_at
            and wall.minute % 5 == 3
            and wall.second >= 50
            and not set(loop._runs.bots()) - {"stream"}
        )

    def _calm_down(self) -> None:
        """Let nothing happen any more, so that whatever is open comes to its end; a clock that was ahead is caught up with."""
        self._calm = True
        self.broker.flaky = False
        self.fate.trouble_until = float("-inf")
        self._next_event = float("inf")
        self._over_at = self.time.newest + timedelta(hours=2)

    def _end(self, how: str, launcher: SimulatedLauncher) -> None:
        """Let what the loop has left behind end too; then, if there is a next life, let some time pass."""
        self._deadline = float("inf")
        self.events[how] += 1
        if how == "orphans":
            # A stream notices at its next beat that its loop is gone.
            for process in launcher.alive:
                if process.run.bot.is_stream:
                    process.ends_at = process.next_moment()
            while (moment := launcher.next_moment()) < float("inf"):
                self.time.advance(max(0.000001, moment - self.time.elapsed()))
                for process in launcher.alive:
                    process.poll()
        for process in launcher.alive:
            process.die(self.rng)
        self.time.advance(self._downtime(how))

    def _downtime(self, how: str) -> float:
        if self._calm:
            return 0.0
        kind = self.rng.random()
        if kind < 0.5 or (how == "stopped" and kind < 0.9):
            return self.rng.uniform(0, 5)
        if kind < 0.75:
            return self.rng.uniform(5, 120)
        if kind < 0.985:
            return self.rng.uniform(120, 3 * 3600)
        return self.rng.uniform(0, 3 * 86400)

    # What happens

    def _soon(self) -> float:
        return self.time.elapsed() + self.rng.expovariate(1 / self._mean)

    def _happen(self, loop: Loop) -> str | None:
        """Let something happen; return how the loop ends if it does at once."""
        happenings: list[tuple[int, Callable[[Loop], str | None]]] = [
            (30, self._kill_at_a_write),
            (3, self._kill_now),
            (20, self._stop),
            (8, self._step_ahead),
            (8, self._step_back),
            (12, self._pause_or_resume),
            (12, self._request),
            (8, self._trouble),
        ]
        (happen,) = self.rng.choices([one for _, one in happenings], [weight for weight, _ in happenings])
        name = happen.__name__.strip("_").replace("_", " ")
        self.events[name] += 1
        return happen(loop)

    def _kill_at_a_write(self, loop: Loop) -> None:
        # Shortly before a slot most of the loop's writes lie ahead.
        second = self.time.wall.minute % 5 * 60 + self.time.wall.second
        self.time.advance(max(0, 299 - second) if self.rng.random() < 0.8 else 0)
        self.fate.kill_in = self.rng.randint(1, 60)

    def _kill_now(self, loop: Loop) -> str:
        return self.rng.choice(("crash", "orphans", "power cut"))

    def _stop(self, loop: Loop) -> None:
        if not loop.draining:
            loop.draining = True
            self._deadline = self.time.elapsed() + STOP_GRACE

    def _step_ahead(self, loop: Loop) -> None:
        self.time.step(self._step_size())
        self.time.advance(self.rng.random())

    def _step_back(self, loop: Loop) -> None:
        self.time.step(-self._step_size())
        self.time.advance(self.rng.random())

    def _step_size(self) -> float:
        return self.rng.choice((0.4, 1.5, 20.0, 400.0, 4000.0, 40000.0)) * self.rng.uniform(0.5, 1.5)

    def _pause_or_resume(self, loop: Loop) -> None:
        bot = self.rng.choice(self.manifest.bots).id
        if not self.control.resume(bot):
            until = self.time.wall + timedelta(minutes=self.rng.randint(1, 600)) if self.rng.random() < 0.8 else None
            self.control.pause(bot, Pause(self.time.wall - timedelta(milliseconds=1), until, "somebody", "a reason"))

    def _request(self, loop: Loop) -> None:
        self.control.request(self.rng.choice(self.manifest.bots).id, "somebody", self.time.wall)

    def _trouble(self, loop: Loop) -> None:
        self.fate.trouble_until = self.time.elapsed() + self.rng.choice((5, 60, 600)) * self.rng.random()

    # The files

    def _cut_power(self) -> None:
        """Lose of each journal file what was not synced, up to any byte."""
        for _, path in days(self.folder / "journal" / self.manifest.name):
            status = path.stat()
            kept = self.rng.randint(min(self._synced.get(status.st_ino, 0), status.st_size), status.st_size)
            if kept < status.st_size:
                self.events["files cut short"] += 1
                os.truncate(path, kept)

    @contextmanager
    def _watched_syncs(self) -> Iterator[None]:
        """Note how much of each file is safe. The real call is left out: these files need not survive this process."""

        def fdatasync(file: int) -> None:
            status = os.fstat(file)
            self._synced[status.st_ino] = status.st_size

        before, os.fdatasync = os.fdatasync, fdatasync  # type: ignore[assignment]
        try:
            yield
        finally:
            os.fdatasync = before

    @contextmanager
    def _longer_waits(self) -> Iterator[None]:
        before, loops.LONGEST_WAIT = loops.LONGEST_WAIT, LONGEST_WAIT  # type: ignore[attr-defined]
        try:
            yield
        finally:
            loops.LONGEST_WAIT = before  # type: ignore[attr-defined]


def simulate(
    seed: int, length: timedelta, *, between: float = 3 * 3600, say: Callable[[str], None] | None = None
) -> Result:
    """Run one history in a folder of its own, in memory where there is room for that."""
    memory = Path("/dev/shm")  # noqa: S108 - a folder of its own is made below
    folder = Path(tempfile.mkdtemp(prefix="openbell-simulation-", dir=memory if memory.is_dir() else None))
    try:
        simulation = Simulation(seed, folder, length, between=between)
        simulation.say = say or simulation.say
        return simulation.run()
    finally:
        shutil.rmtree(folder)


def main() -> int:
    """Run the histories that the command line asks for; return 1 if one has a problem."""
    parser = argparse.ArgumentParser(description="simulate the loop through bad luck")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from --seed on")
    parser.add_argument("--days", type=float, default=10)
    parser.add_argument("--year", action="store_true", help="the same as --days 365")
    parser.add_argument("--between", type=float, default=3 * 3600, help="seconds between two happenings, on average")
    options = parser.parse_args()
    length = timedelta(days=365 if options.year else options.days)
    found = 0
    for seed in range(options.seed, options.seed + options.seeds):
        with quiet():
            result = simulate(seed, length, between=options.between, say=partial(print, flush=True))
        print(result, flush=True)
        found += len(result.problems)
    return 1 if found else 0


@contextmanager
def quiet() -> Iterator[None]:
    """Keep the loop's complaints about its simulated disk off the terminal."""
    terminal = os.dup(2)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    try:
        yield
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)


if __name__ == "__main__":
    sys.exit(main())
