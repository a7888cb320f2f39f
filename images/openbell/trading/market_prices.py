"""What a market's bars and prices tell the matching engine, where no file of the past does: for the paper account above all."""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from openbell import calendars
from openbell.trading.limits import is_usable
from openbell.trading.markets import Bar, Bars, Market, MarketError, timeframes
from openbell.trading.price_comparison import Prices, closed_bar, single

TIMEFRAMES = ("1m", "15m", "1h", "1d")  # the finest that the market has and that reaches back far enough is taken
MOST = 400  # bars of one question
FRIDAY = 4
_DAY, _MOMENT = timedelta(days=1), timedelta(microseconds=1)


def is_historical(market: Market, at: datetime) -> bool:
    """Tell whether a market shows days of the past as today's, one with each slot."""
    return "historical_day" in market.provenance(at)


def seen_at(market: Market, symbol: str, at: datetime) -> datetime:
    """Return the instant, by the market's own time, up to which its prices are older than an order that is placed at `at`."""
    if not is_historical(market, at):
        return at
    try:
        bars = market.bars(symbol, "1d", 1, at)
    except MarketError:
        return at
    return bars[-1].timestamp if bars else at


def since(market: Market, symbol: str, seen: datetime, at: datetime, *, extended: bool = False) -> Iterator[Prices]:
    """Yield the bars that have closed after `seen`, and the price of the moment. extended: also those outside of sessions."""
    newest = seen
    extended = extended and hasattr(market, "extended_bars")
    for bar, length in _bars(market, symbol, seen, at, extended=extended):
        newest = max(newest, bar.timestamp)
        opened = bar.timestamp - length
        is_outside = extended and all(is_closed(market, symbol, one) for one in (opened, bar.timestamp - _MOMENT))
        yield closed_bar(bar, opened)._replace(is_extended=is_outside)
    try:
        price = market.price(symbol, at)
    except MarketError:
        return
    is_outside = is_closed(market, symbol, at)
    if is_usable(price) and not is_closed(market, symbol, at, extended=extended):
        now = newest if is_historical(market, at) else at
        yield single(now, price)._replace(is_first=True, is_extended=is_outside)


def day_ends(market: Market, symbol: str, at: datetime, *, extended: bool = False) -> datetime:
    """Return when an order for the day expires: with the exchange's session, else with the day in UTC."""
    if extended and (ends := _extended_hours(market, symbol, at)) is not None:
        return ends
    opens = closed_until(market, symbol, at)
    if "/" not in symbol and hasattr(market, "closed_until"):
        table = calendars.load(timeframes.CALENDARS["alpaca"])
        session = table.session(table.session_date(opens or at))
        if session is not None:
            return session.close
    seen = seen_at(market, symbol, at).astimezone(UTC)
    midnight = datetime(seen.year, seen.month, seen.day, tzinfo=UTC) + _DAY
    if not is_historical(market, at):
        return midnight
    # A market of the past has one bar for each of its days: the order meets the next one.
    return midnight + (3 * _DAY if seen.weekday() == FRIDAY and "/" not in symbol else _DAY)


def closed_until(market: Market, symbol: str, at: datetime, *, extended: bool = False) -> datetime | None:
    """Return when a symbol is traded again; None if it is now, or its market does not say. extended: before and after sessions."""
    if extended and _extended_hours(market, symbol, at) is not None:
        return None
    ask = getattr(market, "closed_until", None)
    opens: datetime | None = ask(symbol, at) if ask is not None else None
    return opens


def is_closed(market: Market, symbol: str, at: datetime, *, extended: bool = False) -> bool:
    """Tell whether a market says that a symbol is not traded now."""
    return closed_until(market, symbol, at, extended=extended) is not None


def _extended_hours(market: Market, symbol: str, at: datetime) -> datetime | None:
    ask = getattr(market, "extended_hours", None)
    ends: datetime | None = ask(symbol, at) if ask is not None else None
    return ends


def _bars(
    market: Market, symbol: str, seen: datetime, at: datetime, *, extended: bool
) -> Iterator[tuple[Bar, timedelta]]:
    ask = getattr(market, "extended_bars" if extended else "bars")
    for timeframe in ("1d",) if is_historical(market, at) else TIMEFRAMES:
        length = timeframes.length(timeframe) or _DAY
        count = MOST if is_historical(market, at) else (at - seen) // length + 1
        if not 0 < count <= MOST:
            continue
        try:
            found: Bars = ask(symbol, timeframe, count, at)
        except MarketError:
            continue
        yield from ((bar, length) for bar in found if bar.timestamp > seen and _is_whole(bar))
        return


def _is_whole(bar: Bar) -> bool:
    return all(map(is_usable, bar[1:5]))
