"""What a backtest is compared with: the same symbols, bought once and held."""

from collections.abc import Sequence
from datetime import datetime

from openbell.trading.markets import Market, MarketError


class BuyAndHold:
    """The same money in equal parts in all symbols, each bought at its first price."""

    def __init__(self, market: Market, symbols: Sequence[str], cash: float) -> None:
        self._market = market
        self._part = cash / len(symbols)
        self._shares: dict[str, float] = dict.fromkeys(symbols, 0.0)

    def equity(self, at: datetime) -> float:
        """Return what it is worth at the newest known prices."""
        return sum([self._worth(symbol, at) for symbol in self._shares])

    def _worth(self, symbol: str, at: datetime) -> float:
        try:
            price = self._market.price(symbol, at)
        except MarketError:  # not listed yet
            return self._part
        if not self._shares[symbol]:
            self._shares[symbol] = self._part / price
        return self._shares[symbol] * price
