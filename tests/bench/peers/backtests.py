"""backtesting.py and vectorbt on the rule of `make bench-backtest`; runs in an environment of its own, and prints JSON.

    python backtests.py PRICES.csv FAST SLOW QUANTITY TIMES COMBINATIONS

TIMES: how often each is measured. COMBINATIONS: pairs such as 10,50 20,50 of a sweep. Seconds are the processor's.
"""

import json
import sys
import time
import warnings
from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd

warnings.simplefilter("ignore")
import vectorbt as vbt  # noqa: E402 - it warns when it is imported
from backtesting import Backtest, Strategy  # noqa: E402

CASH = 100_000.0
Fills = list[tuple[str, float, float]]  # day, quantity, price


def average(values: np.ndarray, count: int) -> np.ndarray:
    """Return the average of the last `count` values at each."""
    return np.asarray(pd.Series(values).rolling(count).mean())


class Crossover(Strategy):  # type: ignore[misc]
    """Long while the fast average is above the slow one, at the next opening."""

    fast = 20
    slow = 50
    quantity = 100

    def init(self) -> None:
        """Compute the averages of all bars."""
        self.short = self.I(average, self.data.Close, self.fast)
        self.long = self.I(average, self.data.Close, self.slow)

    def next(self) -> None:
        """Trade."""
        if self.short[-1] > self.long[-1] and not self.position:
            self.buy(size=self.quantity)
        elif self.short[-1] < self.long[-1] and self.position:
            self.position.close()


def backtesting_py(prices: pd.DataFrame, fast: int, slow: int, quantity: int) -> Fills:
    """Return the fills: day, quantity, price."""
    done = Backtest(prices, Crossover, cash=CASH, finalize_trades=False).run(fast=fast, slow=slow, quantity=quantity)
    trades, strategy = done["_trades"], done["_strategy"]
    fills = [(one.EntryTime, quantity, one.EntryPrice) for one in trades.itertuples()]
    fills += [(one.ExitTime, -quantity, one.ExitPrice) for one in trades.itertuples()]
    fills += [(prices.index[one.entry_bar], quantity, one.entry_price) for one in strategy.trades]
    return sorted((f"{at:%Y-%m-%d}", float(size), float(price)) for at, size, price in fills)


def vectorbt(prices: pd.DataFrame, pairs: Sequence[tuple[int, int]], quantity: int) -> list[Fills]:
    """Return the fills of each pair of averages: all of them are one computation."""
    close = prices["Close"]
    short = pd.concat([close.rolling(fast).mean() for fast, _ in pairs], axis=1)
    long = pd.concat([close.rolling(slow).mean() for _, slow in pairs], axis=1)
    short.columns = long.columns = range(len(pairs))
    ran = vbt.Portfolio.from_signals(
        close,
        (short > long).shift(1, fill_value=False),
        (short < long).shift(1, fill_value=False),
        price=prices["Open"],
        size=quantity,
        init_cash=CASH,
        freq="1D",
    )
    orders = ran.orders.records
    found: list[Fills] = [[] for _ in pairs]
    for one in orders.itertuples():
        sign = 1 if one.side == 0 else -1
        found[one.col].append((f"{prices.index[one.idx]:%Y-%m-%d}", float(sign * one.size), float(one.price)))
    return found


def timed(run: Callable[[], object], times: int) -> tuple[float, object]:
    """Return the median of the seconds that it took, and what it returned last."""
    seconds: list[float] = []
    found: object = None
    for _ in range(times):
        began = time.process_time()
        found = run()
        seconds.append(time.process_time() - began)
    return sorted(seconds)[times // 2], found


def main() -> None:
    """Run both, alone and in a sweep."""
    path, fast, slow, quantity, count, *rest = sys.argv[1:]
    prices = pd.read_csv(path, index_col=0, parse_dates=True)
    pairs = [(int(left), int(right)) for left, _, right in (pair.partition(",") for pair in rest)]
    first, second, times = int(fast), int(slow), int(count)
    one = first, second
    vectorbt(prices, [one], int(quantity))  # compiles
    answers = {
        "backtesting.py": timed(lambda: backtesting_py(prices, first, second, int(quantity)), times),
        "vectorbt": timed(lambda: vectorbt(prices, [one], int(quantity))[0], times),
    }
    if pairs:
        sweeps = {
            "backtesting.py": lambda: [backtesting_py(prices, left, right, int(quantity)) for left, right in pairs],
            "vectorbt": lambda: vectorbt(prices, pairs, int(quantity)),
        }
        answers |= {f"{name}, sweep": timed(run, times) for name, run in sweeps.items()}
    print(json.dumps(answers))


if __name__ == "__main__":
    main()
