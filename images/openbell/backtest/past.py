"""Prices of the past, as of an instant: what was not yet known then cannot be asked for."""

import csv
import gzip
from bisect import bisect_right
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import NamedTuple

import pytz

from openbell.trading.markets import Bar, Bars, MarketError, Series, history
from openbell.trading.markets import series as files

TIMEFRAME = "1d"
HEADER = history.HEADER.split(",")
_NEW_YORK = pytz.timezone("America/New_York")
_OPEN, _SESSION = timedelta(hours=9, minutes=30), timedelta(hours=6, minutes=30)


class Prices(NamedTuple):
    """All daily prices of one symbol, oldest first: the bars, when each closed, and every price with when it was known."""

    bars: tuple[Bar, ...]
    closed_at: list[datetime]
    known_at: list[datetime]
    known: list[float]


class PastMarket:
    """Daily prices of the past. A bar is known once it has closed; the price is the newest opening or closing one."""

    def __init__(self, prices: dict[str, Prices], source: str, folder: Path = Path()) -> None:
        """`source` names the prices in the journal; `folder` is the strategy's own, for its named series."""
        self._prices = prices
        self._source = source
        self._folder = folder

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return up to `count` adjusted bars that had closed at `at`, oldest first."""
        if timeframe != TIMEFRAME:
            msg = f'there are no "{timeframe}" bars of the past; there are: {TIMEFRAME}'
            raise MarketError(msg)
        if count < 1:
            msg = f"the count of bars must be at least 1, not {count}"
            raise MarketError(msg)
        prices = self._of(symbol)
        end = bisect_right(prices.closed_at, at)
        return Bars(prices.bars[max(0, end - count) : end])

    def price(self, symbol: str, at: datetime) -> float:
        """Return the newest price that was known at `at`: the opening of that day's session, or its close."""
        prices = self._of(symbol)
        known = bisect_right(prices.known_at, at)
        if known == 0:
            msg = f"{symbol} has no price before {prices.known_at[0]:%Y-%m-%d %H:%M} UTC"
            raise MarketError(msg)
        return prices.known[known - 1]

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Return values of a series of the strategy's own as they were known at `at`."""
        return files.read(self._folder, name, count, at)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return the source and the day: these are not today's prices."""
        return {"source": self._source, "historical_day": at.astimezone(_NEW_YORK).date().isoformat()}

    def span(self) -> tuple[datetime, datetime]:
        """Return the first instant at which every symbol has a price, and the last at which one of them has a new one."""
        first = max(prices.known_at[0] for prices in self._prices.values())
        return first, max(prices.known_at[-1] for prices in self._prices.values())

    def _of(self, symbol: str) -> Prices:
        if symbol not in self._prices:
            msg = f'there are no prices of "{symbol}"; there are: {", ".join(sorted(self._prices))}'
            raise MarketError(msg)
        return self._prices[symbol]


def load(symbols: Iterable[str], folder: Path | None) -> dict[str, Prices]:
    """Return the prices of these symbols, from the shipped sample or from a folder of CSV files; MarketError says what is wrong."""
    return {symbol: _prices(_sample(symbol) if folder is None else _read(folder, symbol)) for symbol in symbols}


def _sample(symbol: str) -> tuple[Bar, ...]:
    return tuple(history.load(symbol).before("9999", 1_000_000))


def _read(folder: Path, symbol: str) -> tuple[Bar, ...]:
    """Read <symbol>.csv or <symbol>.csv.gz with the sample's columns; a / in the symbol is a - in the file's name."""
    name = symbol.replace("/", "-")
    path = next((path for path in (folder / f"{name}.csv", folder / f"{name}.csv.gz") if path.is_file()), None)
    if path is None:
        msg = f"{folder} has no {name}.csv with the prices of {symbol}"
        raise MarketError(msg)
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    rows = list(csv.reader(content.decode("utf-8-sig").splitlines()))
    if not rows or rows[0] != HEADER:
        found = ",".join(rows[0]) if rows else "nothing"
        msg = f'{path}, line 1: found "{found}"; allowed: {history.HEADER}'
        raise MarketError(msg)
    bars: list[Bar] = []
    for number, row in enumerate(rows[1:], 2):
        try:
            bars.append(_bar(*row))
        except (TypeError, ValueError) as error:
            msg = f"{path}, line {number}: {error}"
            raise MarketError(msg) from None
        if len(bars) > 1 and bars[-1].timestamp <= bars[-2].timestamp:
            msg = f"{path}, line {number}: its day is not after the one before"
            raise MarketError(msg)
    if not bars:
        msg = f"{path} has no prices"
        raise MarketError(msg)
    return tuple(bars)


def _bar(day: str, *figures: str) -> Bar:
    open_, high, low, close, volume, factor = map(float, figures)
    if not 0 < low <= min(open_, close) <= max(open_, close) <= high or factor <= 0:
        msg = "the prices are not low <= open, close <= high, all above 0"
        raise ValueError(msg)
    return Bar(_hours(day)[1], open_ * factor, high * factor, low * factor, close * factor, volume / factor)


def _prices(bars: tuple[Bar, ...]) -> Prices:
    known: list[tuple[datetime, float]] = []
    for bar in bars:
        day = bar.timestamp.astimezone(_NEW_YORK).date().isoformat()
        known += [(_hours(day)[0], bar.open), (bar.timestamp, bar.close)]
    return Prices(bars, [bar.timestamp for bar in bars], [at for at, _ in known], [price for _, price in known])


@cache  # the symbols share their days
def _hours(day: str) -> tuple[datetime, datetime]:
    """Return when a day's session opens and closes; no clock in New York changes in between."""
    opening = _NEW_YORK.localize(datetime.fromisoformat(day) + _OPEN).astimezone(UTC)
    return opening, opening + _SESSION
