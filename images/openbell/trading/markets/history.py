"""The daily prices that are shipped in market/sample: one gzipped CSV file per symbol, adjusted as they are read."""

import gzip
from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from functools import lru_cache
from pathlib import Path

from openbell.calendars.local_time import local_instant
from openbell.trading.markets import Bar, Bars, MarketError

FOLDER = Path(__file__).with_name("prices")
HEADER = "Date,Open,High,Low,Close,Volume,Adjustment"

_CLOSE = timedelta(hours=16)


class History:
    """All days of one symbol, oldest first.

    A day is its ISO date ("2009-03-02"), which sorts like the date itself. Rows stay text until they are asked for,
    since a run wants some fifty of more than three thousand.
    """

    def __init__(self, symbol: str, rows: list[str]) -> None:
        self.symbol = symbol
        self._rows = rows

    @property
    def days(self) -> tuple[str, ...]:
        """Return every day on which the symbol has prices."""
        return tuple(row[:10] for row in self._rows)

    def all(self, closed_at: Callable[[str], datetime]) -> tuple[Bar, ...]:
        """Return the bars of all days; `closed_at` says when the bar of a day closed."""
        return tuple(_bar(row, closed_at) for row in self._rows)

    def before(self, day: str, count: int) -> Bars:
        """Return the last `count` bars of days before `day`; fewer if the history does not reach back as far."""
        # A row begins with its day, so it sorts right after the bare day and the rows before `day` end here.
        end = bisect_left(self._rows, day)
        return Bars(_bar(row) for row in self._rows[max(0, end - count) : end])

    def opening(self, day: str) -> float:
        """Return the adjusted opening price of `day`; MarketError if the symbol has none that day."""
        index = bisect_left(self._rows, day)
        if index == len(self._rows) or not self._rows[index].startswith(day):
            first, last = self._rows[0][:10], self._rows[-1][:10]
            msg = f"{self.symbol} has no price on {day}; its prices go from {first} to {last}"
            raise MarketError(msg)
        return _bar(self._rows[index]).open


def symbols() -> tuple[str, ...]:
    """Return the symbols that have a file, in alphabetical order."""
    return tuple(sorted(path.name.removesuffix(".csv.gz") for path in FOLDER.glob("*.csv.gz")))


@lru_cache(maxsize=16)
def load(symbol: str) -> History:
    """Return the history of `symbol`; MarketError lists the known symbols if it has none."""
    known = symbols()
    if symbol not in known:
        msg = f'the sample has no symbol "{symbol}"; it has: {", ".join(known)}'
        raise MarketError(msg)
    text = gzip.decompress((FOLDER / f"{symbol}.csv.gz").read_bytes()).decode("ascii")
    return History(symbol, text.splitlines()[1:])


def common_days(wanted: Iterable[str]) -> tuple[str, ...]:
    """Return the days on which all the `wanted` symbols have prices, oldest first; MarketError for an unknown symbol."""
    first, *others = [load(symbol).days for symbol in wanted]
    if all(days == first for days in others):
        return first
    return tuple(sorted(set(first).intersection(*others)))


def _closed_at(day: str) -> datetime:
    # 16:00 in New York even on the few days with an early close: the bar is only ever seen on a later day.
    return local_instant(datetime.fromisoformat(day) + _CLOSE, "America/New_York")


def _bar(row: str, closed_at: Callable[[str], datetime] = _closed_at) -> Bar:
    """Return the adjusted bar of one row.

    Prices are multiplied and the volume is divided by the row's adjustment (adjusted close / close), so that a split or
    a dividend is no jump. All four prices take the same factor, which keeps low <= open, close <= high.
    """
    day, *figures = row.split(",")
    open_, high, low, close, volume, factor = map(float, figures)
    return Bar(closed_at(day), open_ * factor, high * factor, low * factor, close * factor, volume / factor)
