"""A month of the portfolio on the fake clock: its real manifests and strategies, the real loop, and bad luck.

    python -m tests.unit.runner.portfolio_month --seed 1 --days 30

Each strategy lives through two histories: one in which something happens every few hours, after which `checks.py` looks
for slots that were lost and orders that were doubled; and one without a restart, in which the loop's memory is looked at.
"""

import argparse
import gc
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from statistics import median
from types import BuiltinFunctionType, FunctionType, MethodType, ModuleType
from typing import TypeVar

from openbell.manifest import Manifest, load_all
from openbell.runner.loop import Loop
from openbell.strategy import loader
from openbell.strategy.context import Context
from openbell.strategy.executable import StrategyFunction
from openbell.trading.markets.synthetic import SyntheticMarket
from tests.unit.runner.history import Result, quiet
from tests.unit.runner.simulated import Time
from tests.unit.runner.simulated_runs import SimulatedLauncher
from tests.unit.runner.simulated_work import remember
from tests.unit.runner.simulation import START, Simulation

STRATEGIES = Path(__file__).parents[3] / "strategies"
DAY = timedelta(days=1)

Kind = TypeVar("Kind", bound=Simulation)

NOT_FOLLOWED = (ModuleType, type, FunctionType, BuiltinFunctionType, MethodType, SimulatedLauncher, Time)


@dataclass(frozen=True)
class Memory:
    """What a loop kept in memory, in bytes, on its second day and on its last."""

    second_day: float
    last_day: float

    @property
    def is_flat(self) -> bool:
        """Tell whether nothing has grown but what any two moments differ by."""
        return self.last_day <= self.second_day * 1.05 + 4096


def manifests() -> tuple[Manifest, ...]:
    """Return the portfolio's manifests."""
    return tuple(manifest for manifest in load_all(STRATEGIES)[0] if manifest.profile == "portfolio")


def bad_luck(
    manifest: Manifest,
    seed: int,
    length: timedelta,
    *,
    between: float = 3 * 3600,
    say: Callable[[str], None] | None = None,
) -> Result:
    """Let one strategy live through kills, power cuts, full disks, clock steps and all the rest."""
    with _simulation(Simulation, manifest, seed, length, between) as simulation:
        simulation.say = say or simulation.say
        return simulation.run()


def one_life(manifest: Manifest, seed: int, length: timedelta) -> tuple[Result, Memory]:
    """Let one strategy's loop run without a restart, some of its runs failing or hanging, and look at its memory."""
    with _simulation(_Watched, manifest, seed, length, 3600) as simulation:
        result = simulation.run()
    return result, simulation.memory(length)


class _Watched(Simulation):
    """A history in which nothing happens but looks at the memory."""

    def __init__(self, *args: object, **settings: object) -> None:
        super().__init__(*args, **settings)  # type: ignore[arg-type]
        self.looks: list[tuple[datetime, int]] = []

    def memory(self, length: timedelta) -> Memory:
        """Return what was seen on the second day, and on the last."""
        end = START + length
        second = [size for at, size in self.looks if START + DAY <= at < START + 2 * DAY]
        last = [size for at, size in self.looks if end - DAY <= at < end]
        return Memory(median(second), median(last))

    def _happen(self, loop: Loop) -> None:
        # A run that is under way is not the loop's for long; days between the two that count need no look.
        day = (self.time.wall - START) // DAY
        if not loop._runs.bots() and (day == 1 or self.time.wall >= START + self.length - DAY):
            self.looks.append((self.time.wall, sum(kept(loop).values())))


def kept(loop: Loop) -> dict[type, int]:
    """Return the bytes that hang on the loop, by type: its timetable, its runs, its journal and its ledger.

    The simulation's own things are not followed: its broker remembers every order, to find the doubled ones.
    """
    sizes: Counter[type] = Counter()
    seen: set[int] = set()
    waiting: list[object] = [loop]
    while waiting:
        one = waiting.pop()
        if id(one) in seen or isinstance(one, NOT_FOLLOWED):
            continue
        seen.add(id(one))
        sizes[type(one)] += sys.getsizeof(one)
        waiting += gc.get_referents(one)
    return dict(sizes)


@contextmanager
def _simulation(kind: type[Kind], manifest: Manifest, seed: int, length: timedelta, between: float) -> Iterator[Kind]:
    folder = STRATEGIES / manifest.name
    function = partial(_run, loader.load(folder)["run"])
    with tempfile.TemporaryDirectory(prefix="openbell-month-", dir=_memory()) as place:
        yield kind(
            seed,
            Path(place),
            length,
            between=between,
            manifest=manifest,
            function=function,
            market=SyntheticMarket(folder),
        )


def _memory() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None  # noqa: S108 - a folder of its own is made there


def _run(function: StrategyFunction, context: Context) -> None:
    function(context)
    remember(context)


def main() -> int:
    """Run the histories of all seven; return 1 if one has a problem."""
    parser = argparse.ArgumentParser(description="simulate the portfolio")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=float, default=30)
    parser.add_argument("--strategy", help="only this one")
    options = parser.parse_args()
    wrong = slots = orders = 0
    for number, manifest in enumerate(manifests()):
        if options.strategy in {None, manifest.name}:
            length, seed = timedelta(days=options.days), options.seed + number
            with quiet():
                result = bad_luck(manifest, seed, length, say=partial(print, f"  {manifest.name}", flush=True))
            print(f"{manifest.name}, bad luck, {result}", flush=True)
            with quiet():
                life, memory = one_life(manifest, seed, length)
            told = (
                f"the loop keeps {memory.second_day / 1024:.0f} KB on day 2, {memory.last_day / 1024:.0f} KB at the end"
            )
            print(f"{manifest.name}, one life, {life}\n  {told}", flush=True)
            wrong += len(result.problems) + len(life.problems) + (not memory.is_flat)
            slots += result.slots + life.slots
            orders += result.orders + life.orders
    print(f"{slots} slots, {orders} orders: {wrong or 'no'} problems")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
