"""The prices of the past as the matching engine meets them: the first price of each bar, then the whole of it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from openbell.backtest.past import OPENING as STANDS_FOR
from openbell.backtest.past import SymbolPrices
from openbell.trading.price_comparison import CLOSING, OPENING, Prices, closed_bar, first_of


def since(prices: SymbolPrices, seen: datetime, until: datetime) -> Iterator[Prices]:
    """Yield what became known after `seen` and until `until`."""
    bars, opens = prices.all_bars, prices.opened_at
    stands = STANDS_FOR if prices.is_daily else timedelta(0)
    begin = prices.closed_before(seen)
    for index in range(begin, len(bars)):
        bar, opened = bars[index], opens[index]
        if opened > until:
            return
        if opened >= seen:
            is_first = index == 0 or _is_session_end(prices, index - 1)
            yield first_of(opened, bar, OPENING if is_first else "")
        if bar.timestamp <= until:
            moment = CLOSING if _is_session_end(prices, index) else ""
            is_followed = index + 1 < len(bars) and opens[index + 1] == bar.timestamp
            yield closed_bar(bar, opened + stands, moment, is_followed=is_followed)


def of_the_moment(prices: SymbolPrices, at: datetime) -> Prices | None:
    """Return the first price of a day's bar, which is the price of the moment for a quarter of an hour; None at other times."""
    index = prices.closed_before(at)
    if (
        not prices.is_daily
        or index == len(prices.all_bars)
        or not 0 < _ago(prices, index, at) < STANDS_FOR.total_seconds()
    ):
        return None
    return first_of(at, prices.all_bars[index], OPENING)


def _ago(prices: SymbolPrices, index: int, at: datetime) -> float:
    return (at - prices.opened_at[index]).total_seconds()


def day_ends(prices: SymbolPrices, at: datetime) -> datetime | None:
    """Return when an order for the day expires that is placed at `at`: with the session that goes on or comes next."""
    begin = prices.closed_before(at)
    if prices.is_daily:
        return prices.closed_at[begin] if begin < len(prices.closed_at) else None
    for index in range(begin, len(prices.all_bars)):
        _, closing = prices.hours.of(prices.hours.day(prices.opened_at[index]))
        if closing > at:
            return closing
    return None


def _is_session_end(prices: SymbolPrices, index: int) -> bool:
    if prices.is_daily or index + 1 == len(prices.opened_at):
        return True
    day = prices.hours.day
    return day(prices.opened_at[index]) != day(prices.opened_at[index + 1])
