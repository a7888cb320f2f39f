"""What a strategy sees of its market: bars, series and prices, as of its slot."""

import math

from openbell.strategy.run_context import RunContext
from openbell.strategy.run_state import StrategyError
from openbell.trading.limits import is_usable
from openbell.trading.markets import Bar, Bars, MarketError, Series


class MarketContext(RunContext):
    """The market's side of a run."""

    def bars(self, symbol: str, timeframe: str, count: int, *, extended: bool = False) -> Bars:
        """Return the last `count` bars that had closed at the slot, oldest first; fewer where there are no more.

        Prices are adjusted for splits and dividends. A bar without its figures is left out, and the journal says so.
        extended: also bars of shares before the open and after the close, where the market has them. MarketError if the market
        has no such symbol or timeframe.
        """
        at = self.slot
        ask = getattr(self._market, "extended_bars", None) if extended else self._market.bars
        if ask is None:
            msg = "this market has no bars outside of sessions: leave extended=True out"
            raise StrategyError(msg)
        bars: Bars = ask(symbol, timeframe, count, at)
        if not getattr(self._market, "is_complete", False):
            whole = Bars(bar for bar in bars if _is_whole(bar))
            if len(whole) < len(bars):
                missing = [bar.timestamp for bar in bars if not _is_whole(bar)]
                told = {"symbol": symbol, "timeframe": timeframe, "count": len(missing), "newest": missing[-1]}
                self._warn("bars_incomplete", **told)
                bars = whole
        stale = self._checks.stale(symbol, timeframe, bars, at)
        if stale is not None:
            self._warn("stale_data", **stale)
        return bars

    def series(self, name: str, count: int) -> Series:
        """Return the last `count` values of a named series that were known at the slot, oldest first; MarketError if none."""
        return self._market.series(name, count, self.slot)

    def price(self, symbol: str) -> float:
        """Return the price at which an order sent now would fill, as far as the market knows; MarketError if it is no price."""
        price = self._market.price(symbol, self.slot)
        if not is_usable(price):
            msg = f"no usable price of {symbol}: the market says {price}"
            raise MarketError(msg)
        return price


def _is_whole(bar: Bar) -> bool:
    """Tell whether a bar has all of its figures: prices above zero, and a volume."""
    _, *prices, volume = bar
    return all(map(is_usable, prices)) and math.isfinite(volume) and volume >= 0
