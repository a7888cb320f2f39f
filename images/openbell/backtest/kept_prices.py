"""The prices of the kept history as a backtest reads them: columns that stay in files, and bars that are made when asked for."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import overload

from openbell.backtest.kept_history import Columns, KeptHistory
from openbell.backtest.price_files import DAY, PriceFile
from openbell.backtest.session_hours import SessionHours
from openbell.instants import MILLISECOND, from_milliseconds, milliseconds
from openbell.trading.markets import Bar, MarketError, timeframes

BLOCK = 4_096  # bars that are made at a time, since slots follow each other


def find(folder: Path, symbol: str) -> str:
    """Return the shortest timeframe that a folder keeps of a symbol; empty if it keeps none."""
    return next(iter(KeptHistory(folder).timeframes(symbol)), "")


def read(folder: Path, symbol: str, timeframe: str, hours: SessionHours, *, extended_hours: bool = False) -> PriceFile:
    """Return the kept prices of a symbol. MarketError if there are none, or none within the sessions."""
    length = timeframes.length(timeframe) or DAY
    columns = KeptHistory(folder).columns(symbol, timeframe)
    if length < DAY and not extended_hours and not hours.never_closes:
        columns = _within_sessions(columns, hours)
    if not len(columns.closed):
        msg = f"{folder}: no {timeframe} bar of {symbol} lies within the sessions of {hours.calendar}"
        raise MarketError(msg)
    return PriceFile(KeptBars(columns), Openings(columns.closed, length, hours), length, hours)


class KeptBars(Sequence[Bar]):
    """The bars of columns. Those around the newest one that was asked for are kept as objects."""

    def __init__(self, columns: Columns) -> None:
        self.columns = columns
        self._begin = 0
        self._made: tuple[Bar, ...] = ()

    def instants(self) -> "Instants":
        """Return when each bar closed."""
        return Instants(self.columns.closed)

    def __len__(self) -> int:
        return len(self.columns.closed)

    @overload
    def __getitem__(self, index: int) -> Bar: ...
    @overload
    def __getitem__(self, index: slice) -> tuple[Bar, ...]: ...
    def __getitem__(self, index: int | slice) -> Bar | tuple[Bar, ...]:
        if isinstance(index, slice):
            begin, end, _ = index.indices(len(self))
            return self._between(begin, end)
        if index < 0:
            index += len(self)
        if not 0 <= index < len(self):
            raise IndexError(index)
        return self._between(index, index + 1)[0]

    def __iter__(self) -> Iterator[Bar]:
        for begin in range(0, len(self), BLOCK):
            yield from self.columns.bars(begin, min(begin + BLOCK, len(self)))

    def _between(self, begin: int, end: int) -> tuple[Bar, ...]:
        if begin < self._begin or end > self._begin + len(self._made):
            if end - begin > BLOCK:
                return tuple(self.columns.bars(begin, end))
            # What a run looks back on stays in reach of the next ones.
            self._begin = max(0, begin - BLOCK // 4)
            self._made = self.columns.bars(self._begin, min(end + BLOCK, len(self)))
        return self._made[begin - self._begin : end - self._begin]


class Instants(Sequence[datetime]):
    """A column of milliseconds as instants."""

    def __init__(self, column: Sequence[int]) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    @overload
    def __getitem__(self, index: int) -> datetime: ...
    @overload
    def __getitem__(self, index: slice) -> list[datetime]: ...
    def __getitem__(self, index: int | slice) -> datetime | list[datetime]:
        if isinstance(index, slice):
            return [from_milliseconds(one) for one in self._column[index]]
        return from_milliseconds(self._column[index])


class Openings(Sequence[datetime]):
    """When each bar opened: its length before its close, but not before the bar before it had closed."""

    def __init__(self, closed: Sequence[int], length: timedelta, hours: SessionHours) -> None:
        self._closed = closed
        self._length = length
        self._hours = hours

    def __len__(self) -> int:
        return len(self._closed)

    @overload
    def __getitem__(self, index: int) -> datetime: ...
    @overload
    def __getitem__(self, index: slice) -> list[datetime]: ...
    def __getitem__(self, index: int | slice) -> datetime | list[datetime]:
        if isinstance(index, slice):
            return [self[one] for one in range(*index.indices(len(self)))]
        if index < 0:
            index += len(self)
        closed = from_milliseconds(self._closed[index])
        if self._length == DAY:
            # A day's bar closes at the end of its day at the latest.
            return self._hours.of(self._hours.day(closed - MILLISECOND))[0]
        opened = closed - self._length
        return max(opened, from_milliseconds(self._closed[index - 1])) if index else opened


def closed_at(bars: Sequence[Bar]) -> Sequence[datetime]:
    """Return when each bar closed."""
    return bars.instants() if isinstance(bars, KeptBars) else [bar.timestamp for bar in bars]


def _within_sessions(columns: Columns, hours: SessionHours) -> Columns:
    """Return the bars of regular sessions; the columns themselves where there are no others."""
    spans: list[tuple[int, int]] = []
    if not len(columns.closed):
        return columns
    day = hours.day(from_milliseconds(columns.closed[0]))
    begin = 0
    while begin < len(columns.closed):
        opening, closing = (milliseconds(at) for at in hours.of(day))
        first = bisect_right(columns.closed, opening, begin)
        end = bisect_right(columns.closed, closing, first)
        if end > first:
            spans.append((first, end))
        begin = end
        day += DAY
    if sum(end - first for first, end in spans) == len(columns.closed):
        return columns
    kept: list[Sequence[float]] = []
    for column, kind in zip(columns, "qddddd", strict=True):
        gathered = array(kind)
        for first, end in spans:
            gathered.frombytes(memoryview(column)[first:end].cast("B"))  # type: ignore[arg-type]
        kept.append(gathered)
    return Columns(*kept)  # type: ignore[arg-type]
