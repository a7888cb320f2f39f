"""Slots per second of our backtests beside backtrader's, on ma_crossover's rule and the same prices: `make bench-backtest`."""

import time
from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from math import floor
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory, mkdtemp

import backtrader as bt

from openbell import calendars
from openbell import manifest as manifests
from openbell.backtest import engine
from openbell.backtest.engine import Setup
from openbell.backtest.past import PastMarket, SymbolPrices, calendars_of, load
from openbell.backtest.slot_order import slots_of
from openbell.manifest import Manifest
from openbell.strategy import loader
from openbell.trading.markets import Bar
from tests.bench import one_share
from tests.bench.figures import Table

FOLDER = Path(__file__).resolve().parents[2] / "strategies" / "ma_crossover"
CASH = 100_000.0
TIMES = 3

Fills = list[tuple[str, str, float, float]]  # day, symbol, quantity, price


@dataclass(frozen=True)
class Result:
    """One way of running the rule: what it traded, and slots for each second of the processor's time."""

    name: str
    fills: Fills
    slots: int
    per_second: float


class Feed(bt.feed.DataBase):  # type: ignore[misc]
    """Bars that are in memory already, as backtrader takes them."""

    params = (("bars", ()),)

    def start(self) -> None:
        """Begin with the first bar."""
        super().start()
        self.waiting = iter(self.p.bars)

    def _load(self) -> bool:
        bar = next(self.waiting, None)
        if bar is None:
            return False
        self.lines.datetime[0] = bt.date2num(bar.timestamp.replace(tzinfo=None))
        for name in ("open", "high", "low", "close", "volume"):
            getattr(self.lines, name)[0] = getattr(bar, name)
        return True


class Crossover(bt.Strategy):  # type: ignore[misc]
    """The same rule with backtrader's own averages, at the day's opening price, on what was known the day before."""

    params = (("fast", 20), ("slow", 50), ("share", 0.45))

    def __init__(self) -> None:
        self.averages = [
            (bt.ind.SMA(data.close, period=self.p.fast), bt.ind.SMA(data.close, period=self.p.slow))
            for data in self.datas
        ]
        self.fills: Fills = []

    def next_open(self) -> None:
        """Trade at the opening."""
        cash = self.broker.getcash()
        for data, (fast, slow) in zip(self.datas, self.averages, strict=True):
            held, price = self.getposition(data).size, data.open[0]
            affordable = floor(cash * self.p.share / price)
            if fast[0] > slow[0] and not held and affordable:
                self.buy(data, size=affordable)
                cash -= affordable * price
            elif fast[0] < slow[0] and held:
                self.sell(data, size=held)
                cash += held * price

    def notify_order(self, order: bt.Order) -> None:
        """Note what was filled."""
        if order.status == order.Completed:
            day = bt.num2date(order.executed.dt).date().isoformat()
            self.fills.append((day, order.data._name, order.executed.size, order.executed.price))


def main() -> None:
    """Measure, see that all have traded the same, and print the table."""
    manifest = manifests.load(FOLDER)
    symbols = manifest.bots[0].symbols
    prices = load(calendars_of(manifest.bots), None)
    first, last = PastMarket(prices, engine.SAMPLE, FOLDER).span()
    known = manifest.bots[0].schedule.calendar
    begin = calendars.load(str(known)).valid_from + timedelta(days=1)
    setup = Setup(FOLDER, max(first, datetime.combine(begin, datetime.min.time(), UTC)), last, cash=CASH)
    days = [slot for slot, _ in slots_of(manifest.bots, setup.after, setup.until)]
    # The averages know the days before the first slot, too.
    slow = int(str(manifest.bots[0].params["slow"]))
    bars = {
        symbol: [bar for bar in prices[symbol].all_bars if bar.timestamp < days[0]][-slow:]
        + [bar for bar in prices[symbol].all_bars if days[0] < bar.timestamp <= last]
        for symbol in symbols
    }
    with TemporaryDirectory() as folder:
        results = [
            _measured("openbell, no journal", lambda: _ours(setup, manifest, prices)),
            _measured(
                "openbell, with its journal",
                lambda: _ours(replace(setup, journal=Path(mkdtemp(dir=folder))), manifest, prices),
            ),
            _measured("backtrader, no journal", lambda: _theirs(bars, len(days))),
            _measured("the limit: the rule over plain lists", lambda: _limit(prices, days, manifest.bots[0].params)),
        ]
    ours = results[0].per_second
    rows = [
        (one.name, f"{one.slots:,}", str(len(one.fills)), f"{one.per_second:,.0f}", f"{one.per_second / ours:.2f}x")
        for one in results
    ]
    headings = ("backtest", "slots", "orders filled", "slots per CPU second", "/ ours")
    print(Table("ma_crossover over the shipped prices", headings, tuple(rows)))
    if any(_rounded(result.fills) != _rounded(results[0].fills) for result in results):
        msg = "they have not traded the same"
        raise SystemExit(msg)
    print("All of them traded the same quantities on the same days at the same prices.\n")
    for table in one_share.tables(lambda bars: Feed(bars=bars)):
        print(table, flush=True)


def _ours(setup: Setup, manifest: Manifest, prices: Mapping[str, SymbolPrices]) -> tuple[Fills, int]:
    # The prices are in memory, as the others have theirs.
    market = PastMarket(prices, engine.SAMPLE, FOLDER)
    outcome = engine.run(setup, loader.load(FOLDER, ("run",))["run"], market=market, manifest=manifest)
    return [(f"{one.at:%Y-%m-%d}", one.symbol, one.quantity, one.price) for one in outcome.fills], outcome.slots


def _theirs(bars: dict[str, list[Bar]], slots: int) -> tuple[Fills, int]:
    cerebro = bt.Cerebro(cheat_on_open=True, stdstats=False)
    cerebro.broker.setcash(CASH)
    for symbol, known in bars.items():
        cerebro.adddata(Feed(bars=known), name=symbol)
    cerebro.addstrategy(Crossover)
    (ran,) = cerebro.run()
    return list(ran.fills), slots


def _limit(
    prices: Mapping[str, SymbolPrices], days: Sequence[datetime], params: Mapping[str, object]
) -> tuple[Fills, int]:
    """Run the rule in a loop that knows nothing but lists: no account could be cheaper."""
    fast, slow, share = int(str(params["fast"])), int(str(params["slow"])), float(str(params["share"]))
    columns = {
        symbol: (
            [bar.timestamp for bar in one.all_bars],
            [bar.open for bar in one.all_bars],
            [bar.close for bar in one.all_bars],
        )
        for symbol, one in prices.items()
    }
    cash, held, fills = CASH, dict.fromkeys(columns, 0), []
    for slot in days:
        for symbol, (closed, opens, all_closes) in columns.items():
            end = bisect_right(closed, slot)
            closes = all_closes[end - slow : end]
            short, long, price = sum(closes[-fast:]) / fast, sum(closes) / slow, opens[end]
            affordable = floor(cash * share / price)
            if short > long and not held[symbol] and affordable:
                held[symbol] = affordable
                cash -= affordable * price
                fills.append((f"{slot:%Y-%m-%d}", symbol, float(affordable), price))
            elif short < long and held[symbol]:
                fills.append((f"{slot:%Y-%m-%d}", symbol, float(-held[symbol]), price))
                cash += held[symbol] * price
                held[symbol] = 0
    return fills, len(days)


def _measured(name: str, run: Callable[[], tuple[Fills, int]]) -> Result:
    seconds: list[float] = []
    for _ in range(TIMES):
        began = time.process_time()
        fills, slots = run()
        seconds.append(time.process_time() - began)
    return Result(name, fills, slots, slots / median(seconds))


def _rounded(fills: Sequence[tuple[str, str, float, float]]) -> Fills:
    return [(day, symbol, round(quantity, 6), round(price, 6)) for day, symbol, quantity, price in fills]


if __name__ == "__main__":
    main()
