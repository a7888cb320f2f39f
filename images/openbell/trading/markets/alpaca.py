"""The market `alpaca`: bars and prices of US shares, and of coins ("BTC/USD"), through alpaca-py.

Share prices are adjusted for splits and dividends, and come from the best feed that the account has.
"""

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytz

from openbell import calendars
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.markets import Bar, Bars, MarketError, Quote, Series, UnknownSymbolError, timeframes
from openbell.trading.markets import series as files
from openbell.trading.run_services import RunServices
from openbell.trading.venues import VenueError, alpaca, alpaca_actions

TIMEFRAMES = ("1m", "5m", "15m", "30m", "1h", "4h", "1d")
EXTENDED_BEFORE, EXTENDED_AFTER = timedelta(hours=5.5), timedelta(hours=4)  # from 4:00 to 20:00 in New York, as a rule
_SESSION = timedelta(hours=6.5)
_NEW_YORK = pytz.timezone("America/New_York")


class AlpacaMarket:
    """Alpaca's market data. Nothing connects before the first question."""

    def __init__(self, desk: RunServices) -> None:
        self._desk = desk

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return the last `count` bars that had closed at `at`, of shares those of its sessions."""
        return self._bars(symbol, timeframe, count, at)

    def extended_bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return the same with the bars of shares before the open and after the close."""
        return self._bars(symbol, timeframe, count, at, extended=True)

    def raw_bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return bars with the prices that were paid, without splits and dividends."""
        return self._bars(symbol, timeframe, count, at, adjusted=False)

    def quote(self, symbol: str, at: datetime) -> Quote:
        """Return the newest bid, ask and trade."""
        with _market_errors():
            answer, last = self._latest_quote(symbol).get(symbol), self.price(symbol, at)
        if answer is None:
            msg = f"Alpaca has no quote of {symbol}"
            raise UnknownSymbolError(symbol, msg)
        when = datetime.fromisoformat(str(answer["t"])).astimezone(UTC)
        return Quote(symbol, _offer(answer.get("bp")), _offer(answer.get("ap")), last, when)

    def _bars(
        self, symbol: str, timeframe: str, count: int, at: datetime, *, extended: bool = False, adjusted: bool = True
    ) -> Bars:
        bar = _length(timeframe)
        if count < 1:
            msg = f"the count of bars must be at least 1, not {count}"
            raise MarketError(msg)
        with _market_errors():
            rows = self._rows(symbol, timeframe, at - _reach(bar, count, symbol), at, adjusted=adjusted)
            bars = [_bar(row, bar, symbol) for row in rows]
            if not extended and bar < timeframes.DAY and "/" not in symbol:
                bars = [one for one in bars if _is_in_session(one.timestamp - bar, one.timestamp)]
        if not bars:
            msg = f"Alpaca has no bars of {symbol}: is the symbol right, and has it not been renamed?"
            raise UnknownSymbolError(symbol, msg)
        return Bars([one for one in bars if one.timestamp <= at][-count:])

    def between(self, symbol: str, timeframe: str, start: datetime, end: datetime) -> Bars:
        """Return the adjusted bars that closed after `start` and until `end`, of shares those outside of sessions too."""
        bar = _length(timeframe)
        with _market_errors():
            # A day's bar opens at midnight and closes with the session.
            rows = self._rows(symbol, timeframe, start - bar, end, adjusted=True)
            bars = [_bar(row, bar, symbol) for row in rows]
        return Bars(one for one in bars if start < one.timestamp <= end)

    def price(self, symbol: str, at: datetime) -> float:  # noqa: ARG002 - the price of today's market is the newest
        """Return the price of the newest trade."""
        with _market_errors():
            answer = self._latest(symbol)
        if symbol not in answer:
            msg = f"Alpaca has no price of {symbol}"
            raise UnknownSymbolError(symbol, msg)
        return float(answer[symbol]["p"])

    def closed_until(self, symbol: str, at: datetime) -> datetime | None:
        """Return when the symbol is traded again if it is not at `at`; None while it is."""
        if "/" in symbol:
            return None
        table, day = calendars.load(timeframes.CALENDARS["alpaca"]), at.astimezone(_NEW_YORK).date()
        for _ in range(15):
            session = table.session(day)
            if session is not None and at < session.close:
                return session.open if at < session.open else None
            day += timeframes.DAY
        return at

    def corporate_actions(self, symbols: Iterable[str], since: date, at: datetime) -> list[CorporateAction]:
        """Return the splits and dividends of shares in these days, for an account that fills orders itself."""
        with _market_errors():
            told = alpaca_actions.ask(self._desk, symbols, since, at.astimezone(_NEW_YORK).date())
        return [one for one in told if not one.named]

    def extended_hours(self, symbol: str, at: datetime) -> datetime | None:
        """Return when the extended hours of a day end that go on at `at`, before its session, in it or after; None outside."""
        if "/" in symbol:
            return None
        session = calendars.load(timeframes.CALENDARS["alpaca"]).session(at.astimezone(_NEW_YORK).date())
        if session is None or not session.open - EXTENDED_BEFORE <= at < session.close + EXTENDED_AFTER:
            return None
        return session.close + EXTENDED_AFTER

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Return values of a series that lies in the strategy's folder."""
        return files.read(self._desk.folder, name, count, at)

    def provenance(self, at: datetime) -> dict[str, str]:  # noqa: ARG002 - always the same
        """Return the source."""
        return {"source": "alpaca"}

    def _rows(
        self, symbol: str, timeframe: str, start: datetime, end: datetime, *, adjusted: bool
    ) -> list[dict[str, Any]]:
        clients = alpaca.clients(self._desk)
        from alpaca.data.enums import Adjustment  # noqa: PLC0415 - only where the library is
        from alpaca.data.requests import CryptoBarsRequest, StockBarsRequest  # noqa: PLC0415
        from alpaca.data.timeframe import TimeFrame, TimeFrameUnit  # noqa: PLC0415

        unit = {"m": TimeFrameUnit.Minute, "h": TimeFrameUnit.Hour, "d": TimeFrameUnit.Day}[timeframe[-1]]
        frame = TimeFrame(int(timeframe[:-1]), unit)
        calls = alpaca.calls(self._desk, data=True)
        if "/" in symbol:
            coins = CryptoBarsRequest(symbol_or_symbols=symbol, timeframe=frame, start=start, end=end)
            answer: Any = calls.ask(lambda: clients.crypto.get_crypto_bars(coins))
        else:
            shares = StockBarsRequest(
                symbol_or_symbols=symbol,
                timeframe=frame,
                start=start,
                end=end,
                adjustment=Adjustment.ALL if adjusted else Adjustment.RAW,
                feed=self._feed(),
            )
            answer = calls.ask(lambda: clients.stocks.get_stock_bars(shares))
        return list(answer.get(symbol) or [])

    def _feed(self) -> Any:
        """Return the feed that the manifest names; None is the best that the account has."""
        from alpaca.data.enums import DataFeed  # noqa: PLC0415 - only where the library is

        return DataFeed(self._desk.feed) if self._desk.feed else None

    def _latest_quote(self, symbol: str) -> Any:
        clients = alpaca.clients(self._desk)
        from alpaca.data.requests import CryptoLatestQuoteRequest, StockLatestQuoteRequest  # noqa: PLC0415 - as above

        calls = alpaca.calls(self._desk, data=True)
        if "/" in symbol:
            coin = CryptoLatestQuoteRequest(symbol_or_symbols=symbol)
            return calls.ask(lambda: clients.crypto.get_crypto_latest_quote(coin))
        share = StockLatestQuoteRequest(symbol_or_symbols=symbol, feed=self._feed())
        return calls.ask(lambda: clients.stocks.get_stock_latest_quote(share))

    def _latest(self, symbol: str) -> Any:
        clients = alpaca.clients(self._desk)
        from alpaca.data.requests import CryptoLatestTradeRequest, StockLatestTradeRequest  # noqa: PLC0415

        calls = alpaca.calls(self._desk, data=True)
        if "/" in symbol:
            coin = CryptoLatestTradeRequest(symbol_or_symbols=symbol)
            return calls.ask(lambda: clients.crypto.get_crypto_latest_trade(coin))
        share = StockLatestTradeRequest(symbol_or_symbols=symbol, feed=self._feed())
        return calls.ask(lambda: clients.stocks.get_stock_latest_trade(share))


def _length(timeframe: str) -> timedelta:
    length = timeframes.length(timeframe)
    if timeframe not in TIMEFRAMES or length is None:
        msg = f'Alpaca has no "{timeframe}" bars here; it offers: {", ".join(TIMEFRAMES)}'
        raise MarketError(msg)
    return length


def _reach(bar: timedelta, count: int, symbol: str) -> timedelta:
    """Return how far back to ask so that there are `count` bars, with nights, weekends and holidays in between."""
    if "/" in symbol:
        return bar * (count + 2)
    sessions = count if bar >= timeframes.DAY else count * bar / _SESSION + 1
    return timedelta(days=1.6 * sessions + 7)


def _bar(row: dict[str, Any], length: timedelta, symbol: str) -> Bar:
    opened = datetime.fromisoformat(str(row["t"])).astimezone(UTC)
    figures = (math.nan if row.get(name) is None else float(row[name]) for name in ("o", "h", "l", "c", "v"))
    return Bar(_closed(opened, length, symbol), *figures)


def _offer(price: Any) -> float | None:
    """Return a bid or an ask; zero means that there is none."""
    return float(price) if price else None


def _is_in_session(opened: datetime, closed: datetime) -> bool:
    session = calendars.load(timeframes.CALENDARS["alpaca"]).session(opened.astimezone(_NEW_YORK).date())
    return session is not None and opened < session.close and closed > session.open


def _closed(opened: datetime, length: timedelta, symbol: str) -> datetime:
    if length < timeframes.DAY or "/" in symbol:
        return opened + length
    # A day's bar carries its midnight in New York, and is done when the session is.
    day = opened.astimezone(_NEW_YORK).date()
    session = calendars.load(timeframes.CALENDARS["alpaca"]).session(day)
    return session.close if session is not None else opened + length


@contextmanager
def _market_errors() -> Iterator[None]:
    try:
        yield
    except VenueError as error:
        raise MarketError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        msg = f"Alpaca's answer cannot be understood: {type(error).__name__}: {error}"
        raise MarketError(msg) from error
