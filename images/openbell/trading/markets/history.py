"""The daily prices that are shipped in market/sample: one gzipped CSV file per symbol, adjusted as they are read."""

import zlib
from array import array
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator
from datetime import date, datetime, timedelta
from functools import cache
from pathlib import Path
from weakref import WeakValueDictionary

from openbell.calendars.local_time import local_instant
from openbell.trading.markets import Bar, Bars, MarketError

FOLDER = Path(__file__).with_name("prices")
HEADER = "Date,Open,High,Low,Close,Volume,Adjustment"

_CLOSE = timedelta(hours=16)
_GZIP = zlib.MAX_WBITS | 16  # the format of these files; the module gzip would stay in each idle loop


class History:
    """All days of one symbol, oldest first.

    A day is its ISO date ("2009-03-02"), which sorts like the date itself. What was read stays one text until rows are asked
    for: a run wants some fifty of more than three thousand.
    """

    def __init__(self, symbol: str, text: str) -> None:
        self.symbol = symbol
        self._text = text
        # Where each row begins, the header left out, and where the last one ends.
        self._starts = array("I")
        end = text.find("\n")
        while end >= 0:
            self._starts.append(end + 1)
            end = text.find("\n", end + 1)

    def __len__(self) -> int:
        return len(self._starts) - 1

    @property
    def days(self) -> tuple[str, ...]:
        """Return every day on which the symbol has prices."""
        return tuple(self._each_day())

    def ordinals(self) -> "array[int]":
        """Return the same days as their proleptic Gregorian ordinals, in four bytes each."""
        return array("i", map(date.toordinal, map(date.fromisoformat, self._each_day())))

    def all(self, closed_at: Callable[[str], datetime]) -> tuple[Bar, ...]:
        """Return the bars of all days; `closed_at` says when the bar of a day closed."""
        return tuple(_bar(self._row(row), closed_at) for row in range(len(self)))

    def before(self, day: str, count: int) -> Bars:
        """Return the last `count` bars of days before `day`; fewer if the history does not reach back as far."""
        end = self._place(day)
        return Bars(_bar(self._row(row)) for row in range(max(0, end - count), end))

    def opening(self, day: str) -> float:
        """Return the adjusted opening price of `day`; MarketError if the symbol has none that day."""
        row = self._place(day)
        if row == len(self) or self._day(row) != day:
            first, last = self._day(0), self._day(len(self) - 1)
            msg = f"{self.symbol} has no price on {day}; its prices go from {first} to {last}"
            raise MarketError(msg)
        return _bar(self._row(row)).open

    def _place(self, day: str) -> int:
        """Return the first row of that day or a later one."""
        return bisect_left(range(len(self)), day, key=self._day)

    def _each_day(self) -> Iterator[str]:
        text = self._text
        return (text[start : start + 10] for start in self._starts[:-1])

    def _day(self, row: int) -> str:
        start = self._starts[row]
        return self._text[start : start + 10]

    def _row(self, row: int) -> str:
        return self._text[self._starts[row] : self._starts[row + 1] - 1]


@cache  # the shipped files do not change, and each run asks
def symbols() -> tuple[str, ...]:
    """Return the symbols that have a file, in alphabetical order."""
    return tuple(sorted(path.name.removesuffix(".csv.gz") for path in FOLDER.glob("*.csv.gz")))


def check(wanted: Iterable[str]) -> None:
    """Raise MarketError, which lists the known symbols, if one of the `wanted` has no file."""
    known = symbols()
    for symbol in wanted:
        if symbol not in known:
            msg = f'the sample has no symbol "{symbol}"; it has: {", ".join(known)}'
            raise MarketError(msg)


# Those that some market still uses: a run reads them in a millisecond each, and an idle loop would keep 200 KB of each.
_in_use: WeakValueDictionary[str, History] = WeakValueDictionary()


def load(symbol: str) -> History:
    """Return the history of `symbol`; MarketError lists the known symbols if it has none."""
    if (history := _in_use.get(symbol)) is not None:
        return history
    check((symbol,))
    text = zlib.decompress((FOLDER / f"{symbol}.csv.gz").read_bytes(), _GZIP).decode("ascii")
    history = _in_use[symbol] = History(symbol, text if text.endswith("\n") else f"{text}\n")
    return history


def common_days(wanted: Iterable[str]) -> "array[int]":
    """Return the ordinals of the days on which all the `wanted` symbols have prices, oldest first; MarketError for an unknown symbol."""
    first, *others = (load(symbol).ordinals() for symbol in wanted)
    if all(days == first for days in others):
        return first
    return array("i", sorted(set(first).intersection(*others)))


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
