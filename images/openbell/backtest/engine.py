"""Runs a strategy over every slot of a span of the past, in their order, on one account, as the live loop would have."""

import gc
import io
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stderr, redirect_stdout
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from tempfile import TemporaryDirectory
from types import MappingProxyType
from typing import NamedTuple

from openbell import manifest as manifests
from openbell.backtest.account import BacktestBroker, Fill
from openbell.backtest.journal import BacktestJournal, Rejection
from openbell.backtest.ledger import BacktestLedger
from openbell.backtest.past import PastMarket, calendars_of, load
from openbell.backtest.record import Curve, Point, Signal, Signals
from openbell.backtest.slot_order import slots_of
from openbell.costs import Costs
from openbell.error_text import error_text
from openbell.manifest import Bot, Manifest
from openbell.records import dataclass, field, replace
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.executable import StrategyFunction
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.capital import quote_of
from openbell.trading.markets import Market
from openbell.trading.markets import history as sample_prices
from openbell.trading.markets.registry import open_market
from openbell.trading.markets.synthetic import SyntheticMarket
from openbell.trading.order_following import settle
from openbell.trading.run_services import RunServices

SAMPLE, SYNTHETIC = "sample", "synthetic"
NEVER = datetime.max.replace(tzinfo=UTC)
ENDED_AFTER = timedelta(days=7)  # without a price until the data's end: the share is no longer traded
YOUNG = 20_000  # objects between two collections of garbage
Tell = Callable[[int], None]


class Interrupted(Exception):  # noqa: N818 - not an error: `tell` raises it to end a backtest after the slot that is done
    """The backtest is to end here, with what is done."""


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
    extended_hours: bool = False  # intraday bars outside the regular sessions count


class EndedSymbol(NamedTuple):
    """A symbol whose prices ended while it was held: it was closed at the last of them."""

    symbol: str
    at: datetime  # of the last price
    price: float


@dataclass(frozen=True)
class Outcome:
    """What a backtest came to. `failures` are (slot, bot, error) of runs that raised."""

    market: str  # where the prices came from, as the manifest names it
    symbols: tuple[str, ...]  # of its bots
    slots: int
    curve: tuple[Point, ...]
    fills: tuple[Fill, ...]
    failures: tuple[tuple[datetime, str, str], ...]
    signals: Mapping[str, tuple[Signal, ...]] = field(default_factory=dict)  # by symbol
    borrowed: float = 0.0  # what short positions have cost
    rejections: tuple[Rejection, ...] = ()
    ended: tuple[EndedSymbol, ...] = ()
    interrupted: bool = False  # later slots were not run


def run(
    setup: Setup,
    function: StrategyFunction,
    tell: Tell = lambda _: None,
    market: Market | None = None,
    prepare: StrategyFunction | None = None,
    manifest: Manifest | None = None,
) -> Outcome:
    """Run the backtest; `tell` is called with the number of slots done after each. MarketError if there are no prices.

    market: the prices, where the caller has opened them already (see `market_of`). prepare: the strategy's second function.
    manifest: the strategy's, where the caller has read it already.
    """
    manifest = manifest or manifests.load(setup.folder)
    functions = {"run": function} if prepare is None else {"run": function, "prepare": prepare}
    bots = [bot for bot in bots_of(manifest, setup) if bot.function in functions]
    prices = market_of(manifest, setup) if market is None else market
    broker = BacktestBroker(prices, Decimal(str(setup.cash)), setup.costs, short=manifest.limits.short)
    with TemporaryDirectory(prefix="openbell-backtest-") as scratch:
        ledger = BacktestLedger()
        journal = BacktestJournal(setup.journal, manifest.name)
        try:
            source = market_name(manifest, setup)
            return _Backtest(
                setup, manifest, source, prices, broker, ledger, journal, functions, Path(scratch) / "files"
            ).run(bots, tell)
        finally:
            ledger.close()
            journal.close()


def market_of(manifest: Manifest, setup: Setup, tell: Callable[[int, int], None] = lambda _done, _all: None) -> Market:
    """Return the prices of the past: files if they are named, else the manifest's own market where it knows the past.

    That is a class of the strategy's own, or made-up prices. Every other market has its symbols in the shipped sample;
    symbols that the sample does not have get made-up prices.
    """
    bots = bots_of(manifest, setup)
    symbols = calendars_of(bots)
    if setup.prices is not None:
        prices = load(symbols, setup.prices, tell, extended_hours=setup.extended_hours)
        return PastMarket(prices, setup.prices.name, setup.folder)
    kind = market_name(manifest, setup)
    if kind == SYNTHETIC:
        return SyntheticMarket(setup.folder)
    if kind != SAMPLE:
        return open_market(kind, bots[0], RunServices(folder=setup.folder))
    return PastMarket(load(symbols, None, tell), SAMPLE, setup.folder)


def market_name(manifest: Manifest, setup: Setup) -> str:
    """Return what a backtest's prices are: a folder's name, "sample", "synthetic" or the import path of a class."""
    if setup.prices is not None:
        return setup.prices.name
    if ":" in manifest.market and not manifest.market.startswith("ccxt:"):
        return manifest.market
    symbols = {symbol for bot in bots_of(manifest, setup) for symbol in bot.symbols}
    known = manifest.market != SYNTHETIC and symbols <= set(sample_prices.symbols())
    return SAMPLE if known else SYNTHETIC


def bots_of(manifest: Manifest, setup: Setup) -> list[Bot]:
    """Return the bots that have slots and are asked for, with the backtest's parameters."""
    wanted = [bot for bot in manifest.bots if not bot.is_stream and (not setup.bots or bot.id in setup.bots)]
    return [replace(bot, params=MappingProxyType({**bot.params, **setup.params})) for bot in wanted]


@dataclass
class _Backtest:
    """One backtest while it runs."""

    setup: Setup
    manifest: Manifest
    source: str  # what the prices are, see market_name
    market: Market
    broker: BacktestBroker
    ledger: BacktestLedger
    journal: BacktestJournal
    functions: Mapping[str, StrategyFunction]
    files: Path  # of this backtest; none is there when it begins
    ended: list[EndedSymbol] = field(default_factory=list)
    first_end: datetime = NEVER  # no symbol has ended before
    printed: io.StringIO = field(default_factory=io.StringIO)
    contexts: dict[str, tuple[RunProgress, Context]] = field(default_factory=dict)  # by bot

    def run(self, bots: list[Bot], tell: Tell) -> Outcome:
        """Run every slot and return what it came to."""
        symbols = sorted({symbol for bot in bots for symbol in bot.symbols})
        if isinstance(self.market, PastMarket):
            self.first_end = min(self.market.of(symbol).last.at for symbol in symbols) + ENDED_AFTER
        curve, signals = Curve(), Signals()
        failures: list[tuple[datetime, str, str]] = []
        number, interrupted = 0, False
        with redirect_stdout(self.printed), redirect_stderr(self.printed), fewer_collections():
            for number, (slot, index) in enumerate(slots_of(bots, self.setup.after, self.setup.until), 1):
                bot = bots[index]
                self._move_to(slot)
                self.broker.at, self.broker.bot = slot, bot.id
                if error := self._one(Run(bot, slot, f"{number:012x}", 1)):
                    failures.append((slot, bot.id, error))
                signals.add(slot, self.contexts[bot.id][0].signals)
                curve.add(Point(slot, *self.broker.worth(slot)))
                try:
                    tell(number)
                except Interrupted:
                    interrupted = True
                    break
        if number and not interrupted:
            # What was ordered at the last slots still fills, as far as the span and the prices reach.
            done = len(self.broker.fills)
            self._move_to(self.setup.until)
            if late := self.broker.fills[done:]:
                curve.add(Point(late[-1].at, *self.broker.worth(late[-1].at)))
        return Outcome(
            self.source,
            tuple(symbols),
            number,
            curve.points(),
            tuple(self.broker.fills),
            tuple(failures),
            signals.by_symbol(),
            float(sum(self.broker.borrowed.values())),
            tuple(self.journal.rejections),
            tuple(self.ended),
            interrupted,
        )

    def _move_to(self, at: datetime) -> None:
        """Let what waits fill until `at`, and close what is no longer traded."""
        for placed in self.broker.fill_until(at) if self.broker.has_to_move(at) else ():
            settle(self.ledger, placed, at)
            if placed.status == "rejected":
                self.journal.rejections.append(Rejection(at, self.broker.bot, placed.symbol, placed.reason))
        for symbol, cost in (
            self.broker.borrowed.items() if self.broker.borrowed and self.manifest.capital.is_set else ()
        ):
            self.ledger.book_cash(f"borrowing {symbol}", quote_of(symbol), -cost)
        for symbol, last in self.broker.close_ended(at - ENDED_AFTER) if at > self.first_end else ():
            self.ended.append(EndedSymbol(symbol, last.at, last.price))
            self.ledger.hold({symbol: 0.0}, last.at)

    def _one(self, one: Run) -> str:
        """Run one slot and journal it as the loop does; return the error, or an empty text."""
        journal, slot, printed = self.journal, one.slot, self.printed
        orders = self.broker.orders_taken
        if journal.keeps_lines:
            journal.run_start(one, self.source if self.source in {SAMPLE, SYNTHETIC} else "past")
        error, trace = "", ""
        progress, context = self._context(one)
        try:
            self.functions[one.bot.function](context)
        except Exception as caught:  # noqa: BLE001 - whatever a strategy raises ends its run, never the backtest
            error, trace = error_text(caught), traceback.format_exc()
        if printed.tell():
            if text := printed.getvalue().strip():
                journal.write("output", slot, one.fields(), text=text)
            printed.seek(0)
            printed.truncate()
        if error:
            journal.write("error", slot, one.fields(), level="error", error=error, traceback=trace, will_retry=False)
        else:
            progress.hold_the_rest()
            if progress.state.changed:
                self.ledger.save_state(one.bot.id, slot, progress.state)
        if journal.keeps_lines:
            journal.run_end(one, error, self.broker.orders_taken - orders)
        return error

    def _context(self, one: Run) -> tuple[RunProgress, Context]:
        known = self.contexts.get(one.bot.id)
        if known is not None:
            known[0].begin(one)
            return known
        services = ContextServices(
            self.manifest,
            self.market,
            self.broker,
            self.ledger,
            self.journal,
            self.broker.now,
            files=self.files,
            folder=self.setup.folder,
        )
        progress = RunProgress(services, one)
        self.contexts[one.bot.id] = progress, Context(progress)
        return self.contexts[one.bot.id]


@contextmanager
def fewer_collections() -> Iterator[None]:
    """Let more objects be made between two collections: those of a slot are bars and lines, which are in no circle."""
    before = gc.get_threshold()
    if before[0]:  # 0 is never
        gc.set_threshold(max(before[0], YOUNG), *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
