"""What a strategy sees of its market: bars, series and prices, as of its slot."""

import math
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from openbell import calendars
from openbell.calendars import Session
from openbell.strategy.run_context import RunContext
from openbell.strategy.run_state import StrategyError
from openbell.trading.limits import is_usable
from openbell.trading.markets import Bar, Bars, MarketError, Quote, Series, timeframes

if TYPE_CHECKING:
    from openbell.trading.own_data import Function, Rows

_DAY = timedelta(days=1)


class MarketContext(RunContext):
    """The market's side of a run."""

    def bars(
        self,
        symbol: str,
        timeframe: str,
        count: int | None = None,
        *,
        start: datetime | None = None,
        extended: bool = False,
        adjusted: bool = True,
    ) -> Bars:
        """Return the last `count` bars that had closed at the slot, oldest first; fewer where there are no more.

        start: instead of a count, all bars that have closed since this instant (aware). Prices are adjusted for splits and
        dividends; adjusted=False takes them as they were paid, where the market has these. extended: also bars of shares
        before the open and after the close, where the market has them. A bar without its figures is left out, and the
        journal says so. `.frame()` and `.arrays()` of the bars are for pandas and numpy. MarketError if the market has no
        such symbol or timeframe.
        """
        at = self._progress.slot
        # A pair is traded always and never split: its bars are all of them, and as they were paid.
        is_plain = "/" in symbol or (adjusted and not extended)
        ask = self._market.bars if is_plain else self._source(extended=extended, adjusted=adjusted)
        if (count is None) == (start is None):
            msg = "bars are asked for by a count or by their start"
            raise StrategyError(msg)
        if start is not None:
            return Bars(
                bar
                for bar in self.bars(
                    symbol, timeframe, _count(timeframe, start, at), extended=extended, adjusted=adjusted
                )
                if bar.timestamp > start
            )
        count = count or 0
        bars: Bars = ask(symbol, timeframe, count, at)
        if not self._is_complete:
            whole = Bars(bar for bar in bars if _is_whole(bar))
            if len(whole) < len(bars):
                missing = [bar.timestamp for bar in bars if not _is_whole(bar)]
                told = {"symbol": symbol, "timeframe": timeframe, "count": len(missing), "newest": missing[-1]}
                self._progress.write("bars_incomplete", told, level="warning")
                bars = whole
        if not self._is_past and (stale := self._checks.stale(symbol, timeframe, bars, at)) is not None:
            self._progress.write("stale_data", stale, level="warning")
        return bars

    def _source(self, *, extended: bool, adjusted: bool) -> Callable[[str, str, int, datetime], Bars]:
        if extended and not adjusted:
            msg = "bars outside of sessions are adjusted here: leave extended=True or adjusted=False out"
            raise StrategyError(msg)
        name = "extended_bars" if extended else "bars" if adjusted else "raw_bars"
        ask: Callable[[str, str, int, datetime], Bars] | None = getattr(self._market, name, None)
        if ask is None:
            lacks = "bars outside of sessions: leave extended=True" if extended else "raw prices: leave adjusted=False"
            msg = f"this market has no {lacks} out"
            raise StrategyError(msg)
        return ask

    def quote(self, symbol: str) -> Quote:
        """Return what a symbol is bid and asked for now, and its newest trade; a market of the past has that alone."""
        ask: Callable[[str, datetime], Quote] | None = getattr(self._market, "quote", None)
        return Quote(symbol, None, None, self.price(symbol), self.slot) if ask is None else ask(symbol, self.slot)

    def is_open(self, symbol: str) -> bool:
        """Tell whether a symbol is traded at the slot: always for a pair, for a share in the sessions of its exchange."""
        calendar = self._checks.calendar_of(symbol)
        return calendar is None or calendars.load(calendar).is_open(self.slot)

    @property
    def session(self) -> Session:
        """Return the exchange's session that goes on at the slot or comes next: `.open`, `.close`, `.early_close`, `.date`.

        StrategyError if neither the bot nor its market names a calendar.
        """
        name = self._checks.calendar_of(self.symbols[0])
        if name is None:
            msg = 'this bot has no calendar: name one in strategy.toml, such as calendar = "XNYS"'
            raise StrategyError(msg)
        calendar = calendars.load(name)
        day = calendar.session_date(self.slot)
        while (found := calendar.session(day)) is None or found.close <= self.slot:
            day += _DAY
        return found

    def series(self, name: str, count: int) -> Series:
        """Return the last `count` values of a named series that were known at the slot, oldest first; MarketError if none."""
        return self._market.series(name, count, self.slot)

    def data(
        self, source: "str | Function", query: str = "", *, stamp: str = "", delay: timedelta | None = None
    ) -> "Rows":
        """Return the rows of data of your own that were known at the slot, oldest first, each a mapping from column names.

        source: a CSV or Parquet file in `ctx.files` or beside strategy.py; with a query, a secret that holds a database's
        URL; or a function that is called with the slot and returns mappings. stamp: the column that says when a row became
        known. A day is known when it is over, unless `delay` says how long after its beginning. `.frame()` is for pandas.
        """
        from openbell.trading.own_data import Source  # noqa: PLC0415 - loads nothing where it is not needed

        where = Source(self._zone, stamp, delay)
        if not isinstance(source, str):
            return where.function(source, self.slot)
        if query:
            return where.query(self.secret(source), query, self.slot)
        services = self._progress.services
        folders = [one for one in (services.files, services.folder) if one is not None]
        for folder in folders:
            path = folder / source
            if path.is_file() and path.resolve().is_relative_to(folder.resolve()):
                return where.file(path, self.slot)
        msg = f'there is no file "{source}" in ctx.files or beside strategy.py'
        raise MarketError(msg)

    def price(self, symbol: str) -> float:
        """Return the price at which an order sent now would fill, as far as the market knows; MarketError if it is not a price."""
        price = self._market.price(symbol, self._progress.slot)
        if not is_usable(price):
            msg = f"no usable price of {symbol}: the market says {price}"
            raise MarketError(msg)
        return price


def _count(timeframe: str, start: datetime, at: datetime) -> int:
    """Return how many bars lie between two instants at most."""
    if start.utcoffset() is None:
        msg = f"start needs a time zone, and {start.isoformat()} has none"
        raise StrategyError(msg)
    length = timeframes.length(timeframe) or _DAY
    return max(1, -(-(at - start) // length))


def _is_whole(bar: Bar) -> bool:
    """Tell whether a bar has all of its figures: prices above zero, and a volume."""
    _, *prices, volume = bar
    return all(map(is_usable, prices)) and math.isfinite(volume) and volume >= 0
