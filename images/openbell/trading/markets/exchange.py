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
SMALLEST_PAGE = 100  # bars that an answer has at least, where there are as many


class ExchangeMarket:
    """Public market data of one exchange. Nothing connects before the first question."""

    def __init__(self, name: str, desk: RunServices) -> None:
        self._name = name
        self._desk = desk

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return the last `count` bars (at most 5,000) that had closed at `at`, by the exchange's clock and by ours."""
        length = timeframes.length(timeframe)
        if timeframe not in TIMEFRAMES or length is None:
            msg = f'there are no "{timeframe}" bars here; there is: {", ".join(TIMEFRAMES)}'
            raise MarketError(msg)
        if not 1 <= count <= LONGEST:
            msg = f"the count of bars must be from 1 to {LONGEST}, not {count}"
            raise MarketError(msg)
        with self._told():
            venue = self._venue()
            _see_that_it_is_there(venue, symbol)
            since = int((at - length * (count + 1)).timestamp() * 1000)
            newest = int((at - length).timestamp() * 1000)
            rows = self._rows(venue, symbol, timeframe, since, count + 2, newest)
            # A bar that the exchange is still writing is none, even if our clock is ahead and takes it for closed.
            now = datetime.now(UTC) + timedelta(seconds=venue.skew())
            bars = [_bar(row, length) for row in rows]
        return Bars([bar for bar in bars if bar.timestamp <= min(at, now)][-count:])

    def _rows(self, venue: Venue, symbol: str, timeframe: str, since: int, count: int, newest: int) -> list[list[Any]]:
        """Return the bars from `since` on, page by page: Coinbase and OKX give the oldest 300.

        newest: when the newest bar of interest began at the latest; a page that goes beyond it is the last one.
        """
        rows: list[list[Any]] = []
        for _ in range(2 + count // SMALLEST_PAGE):
            left = count - len(rows)
            page = venue.calls.ask(partial(venue.client.fetch_ohlcv, symbol, timeframe, since, left))
            newer = [row for row in page if not rows or row[0] > rows[-1][0]]
            rows += newer
            if not newer or len(rows) >= count or rows[-1][0] > newest:
                break
            since = int(rows[-1][0]) + 1
        return rows

    def quote(self, symbol: str, at: datetime) -> Quote:  # noqa: ARG002 - as for the price
        """Return the newest bid, ask and trade."""
        with self._told():
            venue = self._venue()
            _see_that_it_is_there(venue, symbol)
            told = venue.calls.ask(lambda: venue.client.fetch_ticker(symbol))
            when = told.get("timestamp")
            at_venue = datetime.fromtimestamp(when / 1000, UTC) if when else datetime.now(UTC)
            bid, ask = (None if told.get(name) is None else float(told[name]) for name in ("bid", "ask"))
            return Quote(symbol, bid, ask, float(told["last"]), at_venue)

    def price(self, symbol: str, at: datetime) -> float:  # noqa: ARG002 - the price of today's market is the newest
        """Return the price of the newest trade."""
        with self._told():
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
    def _told(self) -> Iterator[None]:
        try:
            yield
        except VenueError as error:
            raise MarketError(str(error)) from error
        except (KeyError, TypeError, ValueError, IndexError) as error:
            msg = f"{self._name}'s answer cannot be understood: {type(error).__name__}: {error}"
            raise MarketError(msg) from error


def _see_that_it_is_there(venue: Venue, symbol: str) -> None:
    try:
        venue.know(symbol)
    except MissingError as missing:
        raise UnknownSymbolError(symbol, str(missing)) from missing


def _bar(row: list[Any], length: timedelta) -> Bar:
    opened, *figures = row
    # A figure that is missing is no number, and never a zero: the context leaves such a bar out and says so.
    known = (math.nan if figure is None else float(figure) for figure in figures[:5])
    return Bar(datetime.fromtimestamp(opened / 1000, UTC) + length, *known)
