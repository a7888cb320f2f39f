"""Runs a strategy over every slot of a span of the past, in their order, on one account, as the live loop would have."""

import io
import traceback
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from heapq import merge
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType

from openbell import manifest as manifests
from openbell.backtest.account import BacktestBroker, Costs, Fill
from openbell.backtest.past import PastMarket, load
from openbell.journal import NO_FIELDS, Journal, days
from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest
from openbell.slots import slots_between
from openbell.strategy.context import Context, Run
from openbell.strategy.executable import StrategyFunction
from openbell.trading.markets import Market
from openbell.trading.markets.synthetic import SyntheticMarket

BOOT_ID = "backtest"
TRIGGER = "backtest"
SAMPLE, SYNTHETIC = "sample", "synthetic"
TELL_EVERY = 500  # slots


@dataclass(frozen=True)
class Setup:
    """One backtest: which slots (after < slot <= until), on which prices, with how much money and at what costs."""

    folder: Path  # the strategy's own
    after: datetime
    until: datetime
    prices: Path | None = None  # a folder of CSV files; None is the shipped sample
    cash: float = 100_000.0
    costs: Costs = field(default_factory=Costs)
    bots: tuple[str, ...] = ()  # only these; none named is all
    params: Mapping[str, object] = field(default_factory=dict)  # instead of the manifest's, for every bot
    journal: Path | None = None  # where lines go; None writes none


@dataclass(frozen=True)
class Point:
    """The account's worth after one slot."""

    at: datetime
    equity: float


@dataclass(frozen=True)
class Outcome:
    """What a backtest came to. `failures` are (slot, bot, error) of runs that raised."""

    market: str  # where the prices came from, as the manifest names it
    slots: int
    curve: tuple[Point, ...]
    fills: tuple[Fill, ...]
    failures: tuple[tuple[datetime, str, str], ...]
    held: tuple[Point, ...]  # the same money in equal parts in all symbols from the first slot on


class _Lines(Journal):
    """A journal that need not survive a power cut: whoever wants it again runs the backtest again.

    So a day's lines are written at once, which takes a third of the time, and take the place of those of a run before.
    """

    def __init__(self, root: Path, strategy: str) -> None:
        super().__init__(root, strategy, BOOT_ID, echo=False)
        self._lines: list[bytes] = []
        self.folder.mkdir(parents=True, exist_ok=True)
        for _, path in days(self.folder):
            path.unlink()

    def sync(self) -> None:
        """Leave it to the system when lines reach the disk."""

    def close(self) -> None:
        """Write the last day's lines."""
        if self._day is not None:
            with (self.folder / f"{self._day.isoformat()}.jsonl").open("ab") as file:
                file.writelines(self._lines)
        self._day = None
        self._lines.clear()

    def _append(self, day: date, line: bytes) -> None:
        if day != self._day:
            self.close()
            self._day = day
        self._lines.append(line)


class _Silent(Journal):
    """A journal of which nothing is kept."""

    def write(
        self, event: str, at: datetime, run: Mapping[str, object] = NO_FIELDS, *, level: str = "info", **fields: object
    ) -> None:
        """Keep nothing."""


def run(setup: Setup, function: StrategyFunction, tell: Callable[[int], None] = lambda _: None) -> Outcome:
    """Run the backtest; `tell` is called now and then with the number of slots done. MarketError if there are no prices."""
    manifest = manifests.load(setup.folder)
    bots = bots_of(manifest, setup)
    symbols = sorted({symbol for bot in bots for symbol in bot.symbols})
    market = market_of(manifest, setup, symbols)
    broker = BacktestBroker(market, Decimal(str(setup.cash)), setup.costs)
    with TemporaryDirectory(prefix="openbell-backtest-") as scratch:
        # In memory: a backtest that is cut off is run again from its beginning.
        ledger = Ledger(Path(scratch) / "ledger.sqlite", in_memory=True)
        journal = (
            _Silent(Path(scratch), manifest.name, BOOT_ID, echo=False)
            if setup.journal is None
            else _Lines(setup.journal, manifest.name)
        )
        try:
            return _run(setup, manifest, bots, symbols, market, broker, ledger, journal, function, tell)
        finally:
            ledger.close()
            journal.close()


def market_of(manifest: Manifest, setup: Setup, symbols: Iterable[str]) -> Market:
    """Return the prices of the past; a strategy on made-up prices is backtested on them too, unless files are named."""
    if manifest.market == SYNTHETIC and setup.prices is None:
        return SyntheticMarket(setup.folder)
    source = SAMPLE if setup.prices is None else setup.prices.name
    return PastMarket(load(symbols, setup.prices), source, setup.folder)


def bots_of(manifest: Manifest, setup: Setup) -> list[Bot]:
    """Return the bots that have slots and are asked for, with the backtest's parameters."""
    wanted = [bot for bot in manifest.bots if not bot.is_stream and (not setup.bots or bot.id in setup.bots)]
    return [replace(bot, params=MappingProxyType({**bot.params, **setup.params})) for bot in wanted]


def slots_of(setup: Setup, bots: Iterable[Bot]) -> Iterator[tuple[datetime, int]]:
    """Yield every slot of the bots in the order in which the loop would run them, with the bot's index."""
    streams = [
        [(slot, index) for slot in slots_between(bot.schedule, setup.after, setup.until)]
        for index, bot in enumerate(bots)
    ]
    return merge(*streams)


def _run(
    setup: Setup,
    manifest: Manifest,
    bots: list[Bot],
    symbols: list[str],
    market: Market,
    broker: BacktestBroker,
    ledger: Ledger,
    journal: Journal,
    function: StrategyFunction,
    tell: Callable[[int], None],
) -> Outcome:
    curve: list[Point] = []
    held: list[Point] = []
    failures: list[tuple[datetime, str, str]] = []
    shares: dict[str, float] = {}
    number = 0
    for number, (slot, index) in enumerate(slots_of(setup, bots), 1):
        bot = bots[index]
        if not shares:
            shares = {symbol: setup.cash / len(symbols) / market.price(symbol, slot) for symbol in symbols}
        broker.at, broker.bot = slot, bot.id
        one = Run(bot, slot, f"{number:012x}", 1)
        error = _one(manifest, one, market, broker, ledger, journal, function)
        if error:
            failures.append((slot, bot.id, error))
        curve.append(Point(slot, broker.equity(slot)))
        held.append(Point(slot, sum(shares[symbol] * market.price(symbol, slot) for symbol in symbols)))
        if number % TELL_EVERY == 0:
            tell(number)
    tell(number)
    return Outcome(manifest.market, number, tuple(curve), tuple(broker.fills), tuple(failures), tuple(held))


def _one(
    manifest: Manifest,
    one: Run,
    market: Market,
    broker: BacktestBroker,
    ledger: Ledger,
    journal: Journal,
    function: StrategyFunction,
) -> str:
    """Run one slot and journal it as the loop does; return the error, or an empty text."""
    slot, fields, fills = one.slot, one.fields(), len(broker.fills)
    journal.write(
        "run_start",
        slot,
        fields,
        symbols=one.bot.symbols,
        lateness_ms=0.0,
        queue_wait_ms=0.0,
        trigger=TRIGGER,
        market=manifest.market if manifest.market in {SAMPLE, SYNTHETIC} else "past",
        broker="backtest",
    )
    printed = io.StringIO()
    error, trace = "", ""
    context = Context(manifest, one, market, broker, ledger, journal, lambda: slot)
    try:
        with redirect_stdout(printed), redirect_stderr(printed):
            function(context)
    except Exception as caught:  # noqa: BLE001 - whatever a strategy raises ends its run, never the backtest
        error, trace = traceback.format_exception_only(caught)[-1].strip(), traceback.format_exc()
    if text := printed.getvalue().strip():
        journal.write("output", slot, fields, text=text)
    if error:
        journal.write("error", slot, fields, level="error", error=error, traceback=trace, will_retry=False)
    else:
        for symbol in one.bot.symbols:
            if symbol not in context.decisions:
                context.hold(symbol, reason="the strategy decided nothing for this symbol")
        if context.state.changed:
            ledger.save_state(one.bot.id, slot, context.state)
    orders = len(broker.fills) - fills
    journal.write(
        "run_end",
        slot,
        fields,
        level="error" if error else "info",
        outcome="failed" if error else "succeeded",
        tick_duration_ms=0.0,
        signal_generated=orders > 0,
        orders=orders,
        trigger=TRIGGER,
    )
    return error
