"""What a market's bars and prices tell the matching engine, where no file of the past does: for the paper account above all."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta

from openbell import calendars
from openbell.trading.limits import is_usable
from openbell.trading.markets import Bar, Bars, Market, MarketError, timeframes
from openbell.trading.orders import Order
from openbell.trading.price_comparison import CLOSING, OPENING, Prices, Resting, closed_bar, first_of, single

TIMEFRAMES = ("1m", "15m", "1h", "1d")  # the finest that the market has and that reaches back far enough is taken
MOST = 400  # bars of one question
LATE = timedelta(minutes=30)  # after a session's close its last bar is there, if it has one
AUCTIONS = frozenset({"opg", "cls"})
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


def since(market: Market, symbol: str, waiting: Sequence[Resting], at: datetime) -> Iterator[Prices]:
    """Yield the bars that have closed since orders of a symbol met prices, and the price of the moment.

    Orders for extended hours get those outside of sessions too, and orders for an auction know the first and the last ones.
    """
    newest = seen = min(one.seen for one in waiting)
    extended = any(one.order.terms.extended_hours for one in waiting) and hasattr(market, "extended_bars")
    bars = list(_bars(market, symbol, seen, at, extended=extended))
    moments = _moments(market, symbol, bars, seen, at) if any(one.order.waits in AUCTIONS for one in waiting) else {}
    for bar, length in bars:
        newest = max(newest, bar.timestamp)
        opened = bar.timestamp - length
        is_outside = extended and all(is_closed(market, symbol, one) for one in (opened, bar.timestamp - _MOMENT))
        opens, moment = moments.get(bar.timestamp, (None, ""))
        if opens is not None:
            yield first_of(opens, bar, OPENING)
        yield closed_bar(bar, opened, moment)._replace(is_extended=is_outside)
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


def expires(market: Market, order: Order, at: datetime) -> datetime | None:
    """Return when an order that is placed now expires; None if it does not, or its end follows from the prices."""
    extended = order.terms.extended_hours
    match order.waits:
        case "ioc":
            return seen_at(market, order.symbol, at)
        case "day":
            return day_ends(market, order.symbol, at, extended=extended)
        case "opg" | "cls" if not is_historical(market, at):
            ends = day_ends(market, order.symbol, at)
            if order.waits == "opg" and not is_closed(market, order.symbol, at):
                ends = day_ends(market, order.symbol, ends)  # this session's opening is over
            return ends + LATE
    return None


def _moments(
    market: Market, symbol: str, bars: Sequence[tuple[Bar, timedelta]], seen: datetime, at: datetime
) -> dict[datetime, tuple[datetime | None, str]]:
    """Return by the end of a bar when its session has opened, if it is the first of one, and CLOSING if it is the last."""
    found: dict[datetime, tuple[datetime | None, str]] = {}
    newest = seen
    for index, (bar, length) in enumerate(bars):
        # A market of the past has one bar for each session, which opens where the one before has closed.
        opens, closes = max(bar.timestamp - length, newest + _MOMENT), bar.timestamp
        if not is_historical(market, at):
            opens, closes = _session(market, symbol, bar.timestamp - _MOMENT)
        is_first = newest <= opens < bar.timestamp
        newest = bar.timestamp
        following = bars[index + 1][0].timestamp if index + 1 < len(bars) else at - LATE
        is_last = newest >= closes or following > closes
        found[newest] = (opens if is_first else None), (CLOSING if is_last else "")
    return found


def _session(market: Market, symbol: str, at: datetime) -> tuple[datetime, datetime]:
    """Return when the session around an instant opens and closes: the exchange's, else the day in UTC."""
    if "/" not in symbol and hasattr(market, "closed_until"):
        table = calendars.load(timeframes.CALENDARS["alpaca"])
        if (session := table.session(table.session_date(at))) is not None:
            return session.open, session.close
    midnight = datetime(at.year, at.month, at.day, tzinfo=UTC)
    return midnight, midnight + _DAY


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
