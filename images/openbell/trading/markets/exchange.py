"""The market `ccxt:EXCHANGE`: bars and prices of one crypto exchange through ccxt. It needs no keys."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from openbell.trading.markets import Bar, Bars, MarketError, Quote, Series, UnknownSymbolError, timeframes
from openbell.trading.markets import series as files
from openbell.trading.run_services import RunServices
from openbell.trading.venues import MissingError, VenueError
from openbell.trading.venues.exchange import Venue

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
LONGEST = 5000  # bars that one question may ask for
# Bars of one answer, from an instant on; an exchange that gives fewer than it was asked for is asked again.
PAGES = {"binance": 1000, "bybit": 1000, "kraken": 720, "coinbase": 300, "okx": 100}
SMALLEST_PAGE = 100


class ExchangeMarket:
    """Public market data of one exchange. Nothing connects before the first question."""

    def __init__(self, name: str, desk: RunServices) -> None:
        self._name = name
        self._desk = desk

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return the last `count` bars (at most 5,000) that had closed at `at`, by the exchange's clock and by ours."""
        length = _length(timeframe)
        if not 1 <= count <= LONGEST:
            msg = f"the count of bars must be from 1 to {LONGEST}, not {count}"
            raise MarketError(msg)
        return Bars(self.between(symbol, timeframe, at - length * (count + 1), at)[-count:])

    def between(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> Bars:
        """Return the bars that closed after `start` and until `end`, by the exchange's clock and by ours."""
        length = _length(timeframe)
        with self._market_errors():
            venue = self._venue()
            _see_that_it_is_there(venue, symbol)
            rows = self._rows(venue, symbol, timeframe, start - length, end - length)
            # A bar that the exchange is still writing is none, even if our clock is ahead and takes it for closed.
            now = datetime.now(UTC) + timedelta(seconds=venue.skew())
            bars = [_bar(row, length) for row in rows]
        return Bars(bar for bar in bars if start < bar.timestamp <= min(end, now))

    def _rows(self, venue: Venue, symbol: str, timeframe: str, since: datetime, newest: datetime) -> list[list[Any]]:
        """Return the bars that opened from `since` to `newest`, page by page: an exchange gives the oldest of what is asked for.

        A page without a bar is a pause in trading, or lies before the symbol's first day: the next one begins behind it.
        """
        page = PAGES.get(self._name, SMALLEST_PAGE)
        step = round(_length(timeframe).total_seconds() * 1000)
        begin, end = (round(at.timestamp() * 1000) for at in (since, newest))
        rows: list[list[Any]] = []
        while begin <= end:
            limit = min(page, (end - begin) // step + 2)
            found = venue.calls.ask(partial(venue.client.fetch_ohlcv, symbol, timeframe, begin, limit))
            newer = [row for row in found if row[0] >= begin]
            rows += newer
            begin = int(newer[-1][0]) + step if newer else begin + limit * step
        return rows

    def quote(self, symbol: str, at: datetime) -> Quote:  # noqa: ARG002 - as for the price
        """Return the newest bid, ask and trade."""
        with self._market_errors():
            venue = self._venue()
            _see_that_it_is_there(venue, symbol)
            told = venue.calls.ask(lambda: venue.client.fetch_ticker(symbol))
            when = told.get("timestamp")
            at_venue = datetime.fromtimestamp(when / 1000, UTC) if when else datetime.now(UTC)
            bid, ask = (None if told.get(name) is None else float(told[name]) for name in ("bid", "ask"))
            return Quote(symbol, bid, ask, float(told["last"]), at_venue)

    def price(self, symbol: str, at: datetime) -> float:  # noqa: ARG002 - the price of today's market is the newest
        """Return the price of the newest trade."""
        with self._market_errors():
            venue = self._venue()
            _see_that_it_is_there(venue, symbol)
            ticker = venue.calls.ask(lambda: venue.client.fetch_ticker(symbol))
            return float(ticker["last"])

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Return values of a series that lies in the strategy's folder."""
        return files.read(self._desk.folder, name, count, at)

    def provenance(self, at: datetime) -> dict[str, str]:  # noqa: ARG002 - always the same
        """Return the source."""
        return {"source": self._name}

    def _venue(self) -> Venue:
        return Venue(self._name, self._desk, sandbox=False)  # a sandbox's prices are its own inventions

    @contextmanager
    def _market_errors(self) -> Iterator[None]:
        try:
            yield
        except VenueError as error:
            raise MarketError(str(error)) from error
        except (KeyError, TypeError, ValueError, IndexError) as error:
            msg = f"{self._name}'s answer cannot be understood: {type(error).__name__}: {error}"
            raise MarketError(msg) from error


def _length(timeframe: str) -> timedelta:
    length = timeframes.length(timeframe)
    if timeframe not in TIMEFRAMES or length is None:
        msg = f'there are no "{timeframe}" bars here; there is: {", ".join(TIMEFRAMES)}'
        raise MarketError(msg)
    return length


def _see_that_it_is_there(venue: Venue, symbol: str) -> None:
    try:
        venue.know(symbol)
    except MissingError as missing:
        raise UnknownSymbolError(symbol, str(missing)) from missing


def _bar(row: list[Any], length: timedelta) -> Bar:
    opened, *figures = row
    # A figure that is missing is not a number, and never a zero: the context leaves such a bar out and says so.
    known = (math.nan if figure is None else float(figure) for figure in figures[:5])
    return Bar(datetime.fromtimestamp(opened / 1000, UTC) + length, *known)
