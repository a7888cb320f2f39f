"""Strategies as people write them: each backtested, and each run for a year with kills, its books equal to the broker's."""

import random
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from heapq import merge
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest

from openbell.backtest import engine
from openbell.backtest.engine import Setup
from openbell.commands.check import code_problems
from openbell.commands.order_calls import order_problems
from openbell.costs import Costs
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest, load
from openbell.slots import slots_between
from openbell.strategy import Context, loader
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.markets.synthetic import SyntheticMarket
from openbell.trading.order_following import follow

PORTED = Path(__file__).parents[2] / "fixtures" / "ported"
NAMES = sorted(path.name for path in PORTED.iterdir() if path.is_dir())
FIRST = datetime(2026, 1, 1, tzinfo=UTC)
LAST = datetime(2027, 1, 1, tzinfo=UTC)
KILLED = 0.02  # of the calls of a broker, before it or after it


class Killed(BaseException):
    """The process is gone, in the middle of a run."""


@dataclass
class Mortal:
    """A broker whose caller is killed now and then: before the broker has heard it, or after."""

    inner: PaperBroker
    chance: random.Random
    deaths: list[str]

    def __getattr__(self, name: str) -> Any:
        found = getattr(self.inner, name)
        if name not in {"submit", "cancel", "replace", "find", "positions"}:
            return found

        def call(*arguments: object) -> object:
            self._may_die(f"before {name}")
            answer = found(*arguments)
            self._may_die(f"after {name}")
            return answer

        return call

    def _may_die(self, where: str) -> None:
        if self.chance.random() < KILLED:
            self.deaths.append(where)
            raise Killed(where)


@dataclass
class Year:
    """One strategy's year on the paper account."""

    folder: Path
    scratch: Path
    chance: random.Random = field(default_factory=lambda: random.Random(20260101))
    deaths: list[str] = field(default_factory=list)
    runs: int = 0

    def __post_init__(self) -> None:
        self.manifest: Manifest = load(self.folder)
        self.functions = loader.load(self.folder, loader.functions(self.manifest))
        self.market = SyntheticMarket()
        self.ledger = Ledger(self.scratch / "ledger.sqlite")
        self.journal = Journal(self.scratch / "journal", self.manifest.name, "boot", echo=False)

    def broker(self, at: datetime) -> PaperBroker:
        """Open the account as a run at an instant does."""
        # What borrowing costs belongs to no order, so it is in no ledger: test_paper_sessions has it.
        costs = replace(self.manifest.costs, borrow=Decimal(0))
        return PaperBroker(self.scratch, self.market, at, costs, short=self.manifest.limits.short)

    def slots(self) -> Iterator[tuple[datetime, int]]:
        """Yield the year's slots with the index of their bots."""
        yield from merge(
            *([(slot, index) for slot in slots_between(bot.schedule, FIRST, LAST)] for index, bot in self._bots())
        )

    def _bots(self) -> list[tuple[int, Bot]]:
        return list(enumerate(self.manifest.bots))

    def run(self) -> None:
        """Run every slot until it has succeeded; the loop follows the orders in between."""
        for slot, index in self.slots():
            bot = self.manifest.bots[index]
            follow(self.broker(slot), self.ledger, slot)
            attempt = 0
            while not self._attempt(bot, slot, attempt):
                attempt += 1
                assert attempt < 50
            self.runs += 1
            follow(self.broker(slot + timedelta(minutes=1)), self.ledger, slot + timedelta(minutes=1))

    def _attempt(self, bot: Bot, slot: datetime, attempt: int) -> bool:
        broker: Any = Mortal(self.broker(slot), self.chance, self.deaths)
        run = Run(bot, slot, "r", attempt + 1)
        files = self.scratch / "files"
        what = (self.manifest, self.market, broker, self.ledger, self.journal, lambda: slot)
        progress = RunProgress(ContextServices(*what, files=files), run)
        try:
            self.functions[bot.function](Context(progress))
        except Killed:
            return False
        if progress.state.changed:
            self.ledger.save_state(bot.id, slot, progress.state)
        return True


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """Give a folder in memory where there is one: a year's thousands of commits shall not wait for a disk."""
    memory = Path("/dev/shm")  # noqa: S108 - emptied below
    if not memory.is_dir():
        yield tmp_path
        return
    with TemporaryDirectory(prefix="openbell-", dir=memory) as folder:
        yield Path(folder)


# Its many orders take the longest.
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.long) if name == "coin_grid" else name for name in NAMES]
)
def test_a_year_with_kills_leaves_the_books_equal_to_the_brokers(name: str, scratch: Path) -> None:
    """Positions by the unit, and cash to the cent: no order was lost, none was sent twice, every fee is booked."""
    year = Year(PORTED / name, scratch)
    year.run()
    assert year.runs >= 12
    assert year.deaths, "nothing was killed: the test proves nothing"
    broker = year.broker(LAST)
    follow(broker, year.ledger, LAST)
    ours: dict[str, float] = {}
    for one in year.ledger.positions():
        ours[one.symbol] = ours.get(one.symbol, 0.0) + float(one.quantity)
    ours = {symbol: held for symbol, held in ours.items() if abs(held) > 1e-9}
    theirs = {symbol: position.quantity for symbol, position in broker.positions().items()}
    assert ours == pytest.approx(theirs)
    assert float(sum(year.ledger.flows().values())) == pytest.approx(broker.account().cash - 100_000, abs=0.01)
    assert all(one.status != "uncertain" for one in year.ledger.open_orders())


@pytest.mark.parametrize("name", NAMES)
def test_it_is_backtested_as_it_is(name: str) -> None:
    """The same code over half a year, without a failure, with trades and with costs."""
    folder = PORTED / name
    manifest = load(folder)
    functions = loader.load(folder, loader.functions(manifest))
    setup = Setup(folder, FIRST, FIRST + timedelta(days=180), costs=manifest.costs)
    outcome = engine.run(setup, functions["run"], prepare=functions.get("prepare"))
    assert outcome.failures == ()
    assert outcome.fills
    assert (sum(one.commission for one in outcome.fills) > 0) is (manifest.costs != Costs())


@pytest.mark.parametrize("name", NAMES)
def test_check_has_nothing_to_say(name: str) -> None:
    """Of its manifest, its code and its orders."""
    folder = PORTED / name
    manifest = load(folder)
    assert code_problems(folder, loader.functions(manifest)) == []
    assert list(order_problems(folder, manifest)) == []
