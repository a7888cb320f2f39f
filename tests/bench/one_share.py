"""One share, one rule, a fixed quantity: our backtests beside backtrader, backtesting.py and vectorbt, alone and in a sweep."""

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from functools import partial
from itertools import product
from pathlib import Path
from statistics import median
from subprocess import run
from tempfile import TemporaryDirectory, mkdtemp
from typing import TypeVar

import backtrader as bt

from openbell import manifest as manifests
from openbell.backtest import engine
from openbell.backtest.engine import Setup
from openbell.backtest.past import PastMarket
from openbell.backtest.slot_order import count_of
from openbell.strategy import loader
from openbell.trading.markets import Bar
from tests.bench import whole_command
from tests.bench.figures import Table

PEERS = Path(__file__).with_name("peers")
ENVIRONMENT = Path(__file__).resolve().parents[2] / "build" / "bench-backtests"
FAST, SLOW, QUANTITY, CASH, TIMES = 20, 50, 100, 100_000.0, 3
# The combinations of the sweeps, with how often each is measured.
SWEEPS = (
    (tuple(product((5, 10, 15, 20), (30, 40, 50, 60))), TIMES),
    (tuple(product(range(5, 21), range(30, 62, 2))), 1),
)
MANIFEST = """timezone = "America/New_York"
calendar = "XNYS"
[[bot]]
symbols = ["AAPL"]
at = "09:35"
params = { fast = 20, slow = 50 }
"""
STRATEGY = f"""def run(ctx):
    fast, slow = ctx.params["fast"], ctx.params["slow"]
    closes = ctx.bars("AAPL", "1d", slow).closes
    if len(closes) < slow:
        return
    short, long = sum(closes[-fast:]) / fast, sum(closes) / slow
    held = ctx.position("AAPL")
    if short > long and not held:
        ctx.order("AAPL", "buy", {QUANTITY}, reason="above")
    elif short < long and held:
        ctx.order("AAPL", "sell", held, reason="below")
"""
Fills = list[tuple[str, float, float]]  # day, quantity, price
Result = TypeVar("Result")


class Crossover(bt.Strategy):  # type: ignore[misc]
    """The same rule with backtrader's averages: decided at a close, filled at the next opening."""

    params = (("fast", FAST), ("slow", SLOW))

    def __init__(self) -> None:
        self.short, self.long = (bt.ind.SMA(self.data.close, period=period) for period in (self.p.fast, self.p.slow))
        self.fills: Fills = []

    def next(self) -> None:
        """Decide."""
        if self.short[0] > self.long[0] and not self.position:
            self.buy(size=QUANTITY)
        elif self.short[0] < self.long[0] and self.position:
            self.sell(size=QUANTITY)

    def notify_order(self, order: bt.Order) -> None:
        """Note what was filled."""
        if order.status == order.Completed:
            day = bt.num2date(order.executed.dt).date().isoformat()
            self.fills.append((day, order.executed.size, order.executed.price))


def tables(feed: Callable[[Sequence[Bar]], object]) -> Iterator[Table]:
    """Yield the tables of one backtest, of whole commands and of the sweeps. feed: makes backtrader's data of bars."""
    with TemporaryDirectory() as scratch:
        folder = Path(scratch) / "one_share"
        folder.mkdir()
        (folder / "strategy.toml").write_text(MANIFEST)
        (folder / "strategy.py").write_text(STRATEGY)
        manifest = manifests.load(folder)
        setup = Setup(folder, engine.NEVER, engine.NEVER)
        market = engine.market_of(manifest, setup)
        if not isinstance(market, PastMarket):
            msg = "the sample has no prices"
            raise TypeError(msg)
        first, last = market.span()
        setup = replace(setup, after=first - timedelta(days=1), until=last)
        function = loader.load(folder, ("run",))["run"]
        bars = list(market.of("AAPL").all_bars)
        slots = count_of(manifest.bots, setup.after, setup.until)

        def ours(journal: Path | None = None, **params: int) -> Fills:
            done = engine.run(
                replace(setup, journal=journal, params=params), function, market=market, manifest=manifest
            )
            return [(f"{one.at:%Y-%m-%d}", one.quantity, one.price) for one in done.fills]

        def theirs(fast: int = FAST, slow: int = SLOW) -> Fills:
            cerebro = bt.Cerebro(stdstats=False)
            cerebro.broker.setcash(CASH)
            cerebro.adddata(feed(bars))
            cerebro.addstrategy(Crossover, fast=fast, slow=slow)
            (ran,) = cerebro.run()
            return list(ran.fills)

        found = {
            "openbell, no journal": _timed(ours),
            "openbell, with its journal": _timed(lambda: ours(Path(mkdtemp(dir=scratch)))),
            "backtrader": _timed(theirs),
        }
        prices = Path(scratch) / "prices.csv"
        for name, (seconds, fills) in _peers(bars, prices, (), TIMES).items():
            found[name] = seconds, [(day, quantity, price) for day, quantity, price in fills]
        yield _table(slots, found)
        yield whole_command.table(folder, bars)
        for pairs, times in SWEEPS:
            taken = {
                "openbell": _timed(partial(_each, lambda fast, slow: ours(fast=fast, slow=slow), pairs), times)[0],
                "backtrader": _timed(partial(_each, theirs, pairs), times)[0],
            }
            answers = _peers(bars, prices, pairs, times).items()
            taken |= {name.removesuffix(", sweep"): one for name, (one, _) in answers if name.endswith(", sweep")}
            yield _sweep_table(len(pairs), slots, taken)


def _table(slots: int, found: Mapping[str, tuple[float, Fills]]) -> Table:
    ours_second = found["openbell, no journal"][0]
    rows = [
        (name, str(len(fills)), f"{slots / seconds:,.0f}", f"{ours_second / seconds:.2f}x")
        for name, (seconds, fills) in found.items()
    ]
    wanted = _rounded(found["openbell, no journal"][1])
    for name, (_, fills) in found.items():
        if _rounded(fills) != wanted:
            print(f"{name} has not traded the same: {_rounded(fills)[:3]} for {wanted[:3]}", file=sys.stderr)
    per = "slots per CPU second"
    return Table(f"one share, {slots:,} days", ("backtest", "orders filled", per, "/ ours"), tuple(rows))


def _sweep_table(count: int, slots: int, taken: Mapping[str, float]) -> Table:
    rows = [
        (name, f"{seconds:.2f}", f"{count * slots / seconds:,.0f}", f"{taken['openbell'] / seconds:.2f}x")
        for name, seconds in taken.items()
    ]
    headings = ("backtest", "CPU seconds", "slots per CPU second", "/ ours")
    return Table(f"a sweep of {count}, one process", headings, tuple(rows))


def _timed(function: Callable[[], Result], times: int = TIMES) -> tuple[float, Result]:
    """Return the median of the CPU seconds that a function takes, and what it has returned last."""
    seconds: list[float] = []
    while True:
        began = time.process_time()
        found = function()
        seconds.append(time.process_time() - began)
        if len(seconds) == times:
            return median(seconds), found


def _each(function: Callable[[int, int], Fills], pairs: Sequence[tuple[int, int]]) -> list[Fills]:
    return [function(fast, slow) for fast, slow in pairs]


def _rounded(fills: Fills) -> list[tuple[str, float, float]]:
    return [(day, round(quantity, 6), round(price, 6)) for day, quantity, price in fills]


def _peers(
    bars: Sequence[Bar], path: Path, combinations: Sequence[tuple[int, int]], times: int
) -> dict[str, tuple[float, Fills]]:
    """Return what the peers that have an environment of their own took; none of them where that cannot be made."""
    lines = [
        f"{bar.timestamp:%Y-%m-%d},{bar.open!r},{bar.high!r},{bar.low!r},{bar.close!r},{bar.volume!r}" for bar in bars
    ]
    path.write_text("Date,Open,High,Low,Close,Volume\n" + "\n".join(lines) + "\n")
    uv = str(Path(sys.executable).with_name("uv"))
    python = ENVIRONMENT / "bin" / "python"
    locked = PEERS / "requirements-backtests.txt"
    try:
        if not python.exists():
            run((uv, "venv", "--quiet", "--python", sys.executable, str(ENVIRONMENT)), check=True)
        run((uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(locked)), check=True)
        pairs = [f"{fast},{slow}" for fast, slow in combinations]
        numbers = map(str, (FAST, SLOW, QUANTITY, times))
        command = (str(python), str(PEERS / "backtests.py"), str(path), *numbers, *pairs)
        answer: dict[str, tuple[float, Fills]] = json.loads(run(command, check=True, capture_output=True).stdout)
    except (OSError, ValueError) as error:
        print(f"backtesting.py and vectorbt are left out: {error}", file=sys.stderr)
        return {}
    return answer
