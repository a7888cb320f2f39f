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
from openbell.manifest import Manifest
from openbell.strategy import loader
from openbell.strategy.executable import StrategyFunction
from openbell.trading.markets import Bar
from tests.bench import whole_command
from tests.bench.figures import Table

PEERS = Path(__file__).with_name("peers")
ENVIRONMENT = Path(__file__).resolve().parents[2] / "build" / "bench-backtests"
FAST, SLOW, QUANTITY, CASH, TIMES = 20, 50, 100, 100_000.0, 3
SHORT = 504  # days: two years
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
        market = engine.market_of(manifest, Setup(folder, engine.NEVER, engine.NEVER))
        if not isinstance(market, PastMarket):
            msg = "the sample has no prices"
            raise TypeError(msg)
        function = loader.load(folder, ("run",))["run"]
        bars = list(market.of("AAPL").all_bars)
        short = _Backtests(folder, manifest, function, bars[-SHORT:], feed)
        yield _table(short.slots, short.alone())
        long = _Backtests(folder, manifest, function, bars, feed)
        yield _table(long.slots, long.alone())
        yield whole_command.table(folder, bars)
        for pairs, times in SWEEPS:
            yield _sweep_table(len(pairs), long.slots, long.swept(pairs, times))


class _Backtests:
    """The same backtest of some bars by us and by the peers."""

    def __init__(
        self,
        folder: Path,
        manifest: Manifest,
        function: StrategyFunction,
        bars: Sequence[Bar],
        feed: Callable[[Sequence[Bar]], object],
    ) -> None:
        """folder: the strategy's; the prices are written beside it. feed: see `tables`."""
        prices = folder.parent / f"prices-{len(bars)}"
        prices.mkdir()
        self._path = prices / "AAPL.csv"
        whole_command.write_prices(bars, self._path)
        setup = Setup(folder, engine.NEVER, engine.NEVER, prices=prices)
        self._market = engine.market_of(manifest, setup)
        after, until = bars[0].timestamp - timedelta(days=2), bars[-1].timestamp + timedelta(days=1)
        self._setup = replace(setup, after=after, until=until)
        self._manifest, self._function, self._bars, self._feed = manifest, function, bars, feed
        self.slots = count_of(manifest.bots, after, until)

    def alone(self) -> dict[str, tuple[float, Fills]]:
        """Return the CPU seconds and the fills of one backtest, by who ran it."""
        found = {
            "openbell, no journal": _timed(self._ours),
            "openbell, with its journal": _timed(self._with_journal),
            "backtrader": _timed(self._theirs),
        }
        for name, (seconds, fills) in _peers(self._path, (), TIMES).items():
            found[name] = seconds, [(day, quantity, price) for day, quantity, price in fills]
        return found

    def swept(self, pairs: Sequence[tuple[int, int]], times: int) -> dict[str, float]:
        """Return the CPU seconds of a backtest for each pair of averages, by who ran it."""
        taken = {
            "openbell": _timed(partial(_each, lambda fast, slow: self._ours(fast=fast, slow=slow), pairs), times)[0],
            "backtrader": _timed(partial(_each, self._theirs, pairs), times)[0],
        }
        answers = _peers(self._path, pairs, times).items()
        return taken | {name.removesuffix(", sweep"): one for name, (one, _) in answers if name.endswith(", sweep")}

    def _ours(self, journal: Path | None = None, **params: int) -> Fills:
        setup = replace(self._setup, journal=journal, params=params)
        done = engine.run(setup, self._function, market=self._market, manifest=self._manifest)
        return [(f"{one.at:%Y-%m-%d}", one.quantity, one.price) for one in done.fills]

    def _with_journal(self) -> Fills:
        return self._ours(Path(mkdtemp(dir=self._path.parent)))

    def _theirs(self, fast: int = FAST, slow: int = SLOW) -> Fills:
        cerebro = bt.Cerebro(stdstats=False)
        cerebro.broker.setcash(CASH)
        cerebro.adddata(self._feed(self._bars))
        cerebro.addstrategy(Crossover, fast=fast, slow=slow)
        (ran,) = cerebro.run()
        return list(ran.fills)


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


def _peers(path: Path, combinations: Sequence[tuple[int, int]], times: int) -> dict[str, tuple[float, Fills]]:
    """Return what the peers that have an environment of their own took; none of them where that cannot be made."""
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
