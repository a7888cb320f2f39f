"""One order against the prices of one instant: whether it fills, and at which price. Pure."""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import NamedTuple

from openbell.order_terms import FINAL, Terms
from openbell.position import ZERO
from openbell.trading.markets import Bar
from openbell.trading.orders import Order

OPENING, CLOSING = "open", "close"  # of a session


class Prices(NamedTuple):
    """Prices that became known at one instant: a single one, or those of a bar after its first."""

    at: datetime  # aware UTC
    open: float
    high: float
    low: float
    close: float
    volume: float = 0.0  # 0 if it is not known
    moment: str = ""  # OPENING or CLOSING if they are the first or the last of a session
    bar: datetime | None = None  # when the bar that they are part of ends
    is_first: bool = False  # of a bar, known when it opens
    opened: datetime | None = None  # of a whole bar: for an order that was placed later only its close counts
    is_followed: bool = False  # the next bar opens as it closes, and that price is the later of the two
    is_extended: bool = False  # outside of the sessions: only orders for extended hours meet it

    @property
    def rank(self) -> datetime:
        """Return the instant that they are ordered by: a bar that opens as another one closes is the later of the two."""
        return self.at + timedelta(microseconds=1) if self.is_first else self.at


def single(at: datetime, price: float, moment: str = "") -> Prices:
    """Return one price as prices."""
    return Prices(at, price, price, price, price, moment=moment)


def first_of(at: datetime, bar: Bar, moment: str = "") -> Prices:
    """Return the first price of a bar, known `at`."""
    return Prices(at, *(bar.open,) * 4, bar.volume, moment, bar.timestamp, is_first=True)


def closed_bar(bar: Bar, opened: datetime, moment: str = "", *, is_followed: bool = False) -> Prices:
    """Return what a bar that has closed tells."""
    return Prices(*bar, moment, bar.timestamp, opened=opened, is_followed=is_followed)


class Resting(NamedTuple):
    """An order at the matching engine, and how far it has come."""

    order: Order
    placed_at: datetime
    seen: datetime  # prices up to here were compared with it
    left: Decimal  # what may fill now; of a leg: as much as the order before it has filled
    status: str = "accepted"
    reason: str = ""
    filled: Decimal = ZERO
    value: Decimal = ZERO  # paid or received for what is filled, without commission
    fee: Decimal = ZERO
    expires_at: datetime | None = None
    is_triggered: bool = False
    best: float | None = None  # the best price since a trailing stop was placed
    full_until: datetime | None = None  # the end of the bar whose volume it has used up

    @property
    def is_done(self) -> bool:
        """Tell whether nothing more becomes of it."""
        return self.status in FINAL

    @property
    def price(self) -> Decimal | None:
        """Return the average price of what is filled."""
        return self.value / self.filled if self.filled else None


def compared(one: Resting, prices: Prices) -> tuple[Resting, float | None]:
    """Return the order after it has met prices, and the price at which it fills; None if it does not."""
    terms, side = one.order.terms, one.order.side
    waits = one.order.waits
    if (waits == "opg" and prices.moment != OPENING) or (waits == "cls" and prices.moment != CLOSING):
        return one, None
    if waits == "cls":
        prices = prices._replace(open=prices.close, high=prices.close, low=prices.close)
    if terms.kind in {"market", "limit"} or one.is_triggered:
        return one, _limited(terms.limit, side, prices)
    one, at = _triggered(one, prices)
    if at is None:
        return one, None
    one = one._replace(is_triggered=True)
    if terms.limit is None or _is_no_worse(at, terms.limit, side):
        return one, at
    # Past its limit when the stop was reached; it came back if the bar ended better than the limit.
    return one, terms.limit if prices.close != terms.limit and _is_no_worse(prices.close, terms.limit, side) else None


def _limited(limit: float | None, side: str, prices: Prices) -> float | None:
    if limit is None or _is_no_worse(prices.open, limit, side):
        return prices.open
    is_passed = prices.low < limit if side == "buy" else prices.high > limit
    return limit if is_passed else None


def _triggered(one: Resting, prices: Prices) -> tuple[Resting, float | None]:
    """Return the price at which a stop was reached, or None; a trailing one has moved on."""
    terms, side = one.order.terms, one.order.side
    if terms.kind != "trailing_stop":
        return one, _reached(terms.stop or 0.0, side, prices)
    best = prices.open if one.best is None else one.best
    at = _reached(_trailed(terms, best, side), side, prices) if one.best is not None else None
    best = max(best, prices.high) if side == "sell" else min(best, prices.low)
    moved = one._replace(best=best)
    if at is None:
        stop = _trailed(terms, best, side)
        # The bar ended beyond the stop that its own best price has set: it was reached on the way there.
        at = stop if (prices.close <= stop if side == "sell" else prices.close >= stop) else None
    return moved, at


def _trailed(terms: Terms, best: float, side: str) -> float:
    distance = terms.trail if terms.trail is not None else best * (terms.trail_percent or 0.0) / 100
    return best - distance if side == "sell" else best + distance


def _reached(stop: float, side: str, prices: Prices) -> float | None:
    if side == "sell":
        return prices.open if prices.open <= stop else stop if prices.low <= stop else None
    return prices.open if prices.open >= stop else stop if prices.high >= stop else None


def _is_no_worse(price: float, limit: float, side: str) -> bool:
    return price <= limit if side == "buy" else price >= limit
