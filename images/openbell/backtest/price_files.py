"""Reads files of prices as people have them: one file a symbol, CSV or Parquet, daily or intraday, adjusted or not.

Known are the columns of yfinance, Stooq, Alpaca and of openbell's own sample, and Binance's dumps without a header. A
stamp is the instant at which its bar opened; without an offset it is on the exchange's clock, for coins in UTC.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from math import inf, isfinite
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

from openbell.backtest.session_hours import SessionHours
from openbell.trading import table_files
from openbell.trading.markets import Bar, MarketError

DAY = timedelta(days=1)
# What a column is called → what it is. Case, blanks, underscores and <> around a name do not matter.
_COLUMNS: Mapping[str, str] = {
    **dict.fromkeys(("date", "datetime", "timestamp", "opentime"), "stamp"),
    "time": "clock",
    **{name: name for name in ("open", "high", "low", "close")},
    **dict.fromkeys(("volume", "vol"), "volume"),
    **dict.fromkeys(("adjclose", "adjustedclose"), "adjusted"),
    "adjustment": "factor",
}
_NEEDED = ("stamp", "open", "high", "low", "close")


class PriceFile(NamedTuple):
    """The bars of one symbol, oldest first; a bar's timestamp is its close. `length` is DAY for daily bars."""

    bars: Sequence[Bar]
    opened_at: Sequence[datetime]
    length: timedelta
    hours: SessionHours


class _Row(NamedTuple):
    number: int  # of the line in the file
    stamp: datetime  # naive: on the exchange's clock
    figures: tuple[float, float, float, float, float, float]  # open, high, low, close, volume, adjustment


_Plain = Callable[[int, Sequence[str]], _Row | None]


def find(folder: Path, symbol: str) -> Path:
    """Return a symbol's file in a folder; a / in a symbol is a - in the file's name. MarketError if there is none."""
    name = symbol.replace("/", "-")
    for ending in table_files.ENDINGS:
        if (path := folder / f"{name}{ending}").is_file():
            return path
    msg = f"{folder} has no {name}.csv with the prices of {symbol}, and no history of it that make history has kept"
    raise MarketError(msg)


def read(path: Path, hours: SessionHours, *, extended_hours: bool = False) -> PriceFile:
    """Return the prices in a file; MarketError names the file, the line and what is wrong.

    extended_hours: keep intraday bars outside the regular session.
    """
    rows = list(_typed(path, table_files.lines(path)))
    if not rows:
        msg = f"{path} has no prices"
        raise MarketError(msg)
    if all(row.stamp.time() == time.min for row in rows):
        return _daily(path, rows, hours)
    return _intraday(path, rows, hours, extended_hours=extended_hours)


def _daily(path: Path, rows: Sequence[_Row], hours: SessionHours) -> PriceFile:
    if not hours.never_closes and any(row.stamp.weekday() >= 5 for row in rows):  # Saturday
        hours = SessionHours("24/7")
    bars: list[Bar] = []
    opened_at: list[datetime] = []
    before: date | None = None
    for row in rows:
        day = row.stamp.date()
        if before is not None and day <= before:
            msg = f"{path}, line {row.number}: its day is not after the one before"
            raise MarketError(msg)
        before = day
        opening, closing = hours.of(day)
        opened_at.append(opening)
        bars.append(_bar(closing, row))
    return PriceFile(tuple(bars), opened_at, DAY, hours)


def _intraday(path: Path, rows: Sequence[_Row], hours: SessionHours, *, extended_hours: bool) -> PriceFile:
    stamps = [_instant(row.stamp, hours) for row in rows]
    for (before, after), row in zip(pairwise(stamps), rows[1:], strict=True):
        if after <= before:
            msg = f"{path}, line {row.number}: its time is not after the one before"
            raise MarketError(msg)
    lengths = Counter(after - before for before, after in pairwise(stamps))
    length = lengths.most_common(1)[0][0] if lengths else timedelta(minutes=1)
    if length >= DAY:
        odd = next(row for row in rows if row.stamp.time() != time.min)
        msg = f"{path}, line {odd.number}: has a time of day in a file of daily prices"
        raise MarketError(msg)
    kept = [
        (stamp, _bar(stamp + length, row))
        for stamp, row in zip(stamps, rows, strict=True)
        if extended_hours or hours.is_within(stamp)
    ]
    if not kept:
        msg = f"{path}: no bar lies within the sessions of {hours.calendar}; are its times on another clock?"
        raise MarketError(msg)
    return PriceFile(tuple(bar for _, bar in kept), [stamp for stamp, _ in kept], length, hours)


def _instant(stamp: datetime, hours: SessionHours) -> datetime:
    if stamp.tzinfo is not None:
        return stamp.astimezone(UTC)
    # An hour that a clock change repeats is taken for the first of the two.
    return hours.zone.localize(stamp, is_dst=True).astimezone(UTC)


def _bar(closed_at: datetime, row: _Row) -> Bar:
    open_, high, low, close, volume, factor = row.figures
    return Bar(closed_at, open_ * factor, high * factor, low * factor, close * factor, volume / factor)


def _typed(path: Path, lines: Iterable[tuple[int, Sequence[str]]]) -> Iterator[_Row]:
    """Yield the rows with their figures as numbers; the first line is the header."""
    columns: dict[str, int] = {}
    plain: _Plain | None = None
    for number, line in lines:
        if not columns:
            columns = _columns(path, line)
            plain = _plain(columns)
            continue
        try:
            # What is not as it should be is looked at again, figure by figure, for what to say of it.
            yield (plain and plain(number, line)) or _row(number, line, columns)
        except (IndexError, ValueError) as error:
            # A row that is cut short has too few cells for its columns.
            said = "has too few columns" if isinstance(error, IndexError) else str(error)
            msg = f"{path}, line {number}: {said}"
            raise MarketError(msg) from None


def _columns(path: Path, line: Sequence[str]) -> dict[str, int]:
    names = ["".join(char for char in name.lower() if char.isalnum()) for name in line]
    columns = {_COLUMNS[name]: index for index, name in reversed([*enumerate(names)]) if name in _COLUMNS}
    if "clock" in columns and "stamp" not in columns:
        columns["stamp"] = columns.pop("clock")
    missing = [name for name in _NEEDED if name not in columns]
    if missing:
        wanted = ", ".join("Date" if name == "stamp" else name.capitalize() for name in missing)
        msg = (
            f'{path}, line 1: no column {wanted} in "{",".join(line)}"; '
            "allowed: Date,Open,High,Low,Close,Volume, with Adj Close or Adjustment if prices are not adjusted"
        )
        raise MarketError(msg)
    return columns


def _plain(columns: Mapping[str, int]) -> _Plain | None:
    """Return what reads a row of figures that are adjusted already, and None of one that is not as it should be."""
    if {"volume", *_NEEDED} != set(columns):
        return None
    cells = itemgetter(*(columns[name] for name in ("open", "high", "low", "close", "volume")))
    stamp = columns["stamp"]

    def read(number: int, line: Sequence[str]) -> _Row | None:
        try:
            open_, high, low, close, volume = map(float, cells(line))
        except (IndexError, ValueError):
            return None
        if 0 < low <= open_ <= high < inf and low <= close <= high and 0 <= volume < inf:
            return _Row(number, _stamp(line[stamp].strip()), (open_, high, low, close, volume, 1.0))
        return None

    return read


def _row(number: int, line: Sequence[str], columns: Mapping[str, int]) -> _Row:
    text = line[columns["stamp"]].strip()
    if "clock" in columns:
        text = f"{text} {line[columns['clock']].strip().zfill(6)}"
    open_, high, low, close = (_figure(line, columns, name) for name in ("open", "high", "low", "close"))
    volume = _figure(line, columns, "volume") if "volume" in columns else 0.0
    factor = _figure(line, columns, "factor") if "factor" in columns else 1.0
    if "adjusted" in columns and close:
        factor = _figure(line, columns, "adjusted") / close
    if not 0 < low <= min(open_, close) <= max(open_, close) <= high:
        msg = "the prices are not low <= open, close <= high, all above 0"
        raise ValueError(msg)
    if volume < 0:
        msg = f"the volume is {volume:g}; allowed: 0 or more"
        raise ValueError(msg)
    if factor <= 0:
        msg = f"the adjustment is {factor:g}; allowed: a number above 0"
        raise ValueError(msg)
    return _Row(number, _stamp(text), (open_, high, low, close, volume, factor))


def _figure(line: Sequence[str], columns: Mapping[str, int], name: str) -> float:
    text = line[columns[name]]
    try:
        value = float(text)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        msg = f'{name} is "{text}", which is not a number'
        raise ValueError(msg)
    return value


def _stamp(text: str) -> datetime:
    if text.isdigit() and len(text) in table_files.EPOCH_DIGITS:
        return datetime.fromtimestamp(int(text) / table_files.EPOCH_DIGITS[len(text)], UTC)
    try:
        return datetime.fromisoformat(text)
    except ValueError:
        msg = f'"{text}" is not a date or time such as 2012-01-03 or 2012-01-03 09:30'
        raise ValueError(msg) from None
