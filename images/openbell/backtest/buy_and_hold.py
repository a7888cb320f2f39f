"""What a backtest is compared with: the same symbols, bought once and held."""

from collections.abc import Sequence
from datetime import datetime

from openbell.backtest.record import Point
from openbell.trading.markets import Market, MarketError


def held(curve: Sequence[Point], market: Market, symbols: Sequence[str], cash: float) -> list[Point]:
    """Return what the money would have been worth at the instants of a curve, had it bought each symbol at its first price.

    Each symbol gets an equal part of the money.
    """
    part = cash / len(symbols) if symbols else 0.0
    shares: dict[str, float] = {}

    def worth(symbol: str, at: datetime) -> float:
        try:
            price = market.price(symbol, at)
        except MarketError:  # not listed yet
            return part
        return shares.setdefault(symbol, part / price) * price

    return [Point(point.at, sum([worth(symbol, point.at) for symbol in symbols])) for point in curve]
