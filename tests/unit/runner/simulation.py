"""The simulator: the real loop, ledger, journal, recovery and context through months of bad luck, on a fake clock.

    python -m tests.unit.runner.simulation --seed 1 --days 365

Each seed is one history: kills at any write, power cuts, slow, failing, dying and hanging runs, restarts after seconds
to days, clean stops, clock steps, suspends, full disks, pauses and requests. At the end `checks.py` looks at the
journal, the ledger and the broker.
"""

import argparse
import random
import shutil
import sqlite3
import sys
import tempfile
import time as real_time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

from openbell.control import Control
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Manifest
from openbell.runner import loop as loops
from openbell.runner.armed import ArmedRuns
from openbell.runner.loop import Loop
from openbell.runner.loop_control import LoopControl
from openbell.runner.loop_services import LoopServices
from openbell.runner.recovery import recover
from openbell.strategy.executable import StrategyFunction
from openbell.trading.markets import Market
from tests.fake_trading import FakeMarket
from tests.unit.runner.accidents import Accidents, JournalFiles
from tests.unit.runner.checks import Record, problems
from tests.unit.runner.history import Result, quiet, the_manifest
from tests.unit.runner.simulated import CountingBroker, Fate, Killed, Time
from tests.unit.runner.simulated_runs import SimulatedLauncher
from tests.unit.runner.simulated_work import Workshop, strategy

START = datetime(2026, 1, 1, 0, 0, 30, tzinfo=UTC)
TELL_EVERY = 8.0  # seconds
LONGEST_WAIT = 60.0  # the loop's own second would cost a year thirty million turns


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
        self.function, self.market = function, market or FakeMarket()
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
        self.files = JournalFiles(folder / "journal" / self.manifest.name)
        self.accidents = Accidents(self.rng, self.time, self.manifest, self.control, self.fate, self.events)
        self._calm = False
        self._over_at = datetime.max.replace(tzinfo=UTC)

    def run(self) -> Result:
        """Live through it all, then check."""
        began = told = real_time.monotonic()
        with self._longer_waits(), self.files.watched_syncs():
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
                self.events.update(["files cut short"] * self.files.cut_power(self.rng))

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
            if self.time.elapsed() >= self.accidents.deadline:
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
            moments = [launcher.next_moment(), self._next_event, self.accidents.deadline]
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
        self.accidents.deadline = float("inf")
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

    def _happen(self, loop: Loop) -> str | None:
        """Let something happen; return how the loop ends if it does at once."""
        return self.accidents.happen(loop)

    def _soon(self) -> float:
        return self.time.elapsed() + self.rng.expovariate(1 / self._mean)

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


if __name__ == "__main__":
    sys.exit(main())
