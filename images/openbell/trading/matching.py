"""The matching engine of the paper account and of backtests: what bars make of the orders that wait. Pure.

It is conservative. An order fills at the next price after the decision. At the first price of a bar (a gap, too) it fills
at that price; within a bar a limit must be passed, not only touched, and a stop fills at its own price. Where one bar
reaches both exits of a bracket, the stop was first. A stop that trails is moved by a bar's best price after that bar's
worst price was compared with where it stood. Slippage makes every price worse, but none worse than the order's limit.
"""

from collections.abc import Callable, Iterator
from datetime import datetime
from decimal import Decimal

from openbell.costs import Costs
from openbell.order_terms import STOP_LOSS, TAKE_PROFIT, leg_id, leg_of, other_side
from openbell.position import ZERO, decimal
from openbell.records import dataclass, field, replace
from openbell.trading.orders import Order
from openbell.trading.price_comparison import CLOSING, OPENING, Prices, Resting, compared

LEGS = (STOP_LOSS, TAKE_PROFIT)  # in the order in which they are filled


@dataclass(frozen=True)
class Fill:
    """A part of an order, or all of it, that was filled."""

    at: datetime
    order: Order
    quantity: Decimal
    price: Decimal
    fee: Decimal


Settle = Callable[[Fill], str]  # moves cash and position, or moves nothing and returns why


@dataclass
class Book:
    """All orders that wait, by their ids."""

    costs: Costs
    settle: Settle
    resting: dict[str, Resting] = field(default_factory=dict)

    def add(self, order: Order, placed_at: datetime, seen: datetime, expires_at: datetime | None) -> None:
        """Take an order and its legs."""
        whole = decimal(order.quantity)
        self.resting[order.client_order_id] = Resting(order, placed_at, seen, whole, expires_at=expires_at)
        for leg in order.terms.legs:
            side = order.side if order.terms.is_pair else other_side(order.side)
            named = leg_id(order.client_order_id, leg)
            its = replace(order, client_order_id=named, side=side, is_exit=True, terms=order.terms.of_leg(leg))
            left, status = (whole, "accepted") if order.terms.is_pair else (ZERO, "held")
            self.resting[named] = Resting(its, placed_at, seen, left, status, expires_at=expires_at)

    def replace(self, order: Order, quantity: Decimal) -> None:
        """Let an order go on with other terms, and with another quantity in all."""
        one = self.resting[order.client_order_id]
        changed = replace(one.order, terms=order.terms, quantity=float(quantity))
        self.resting[order.client_order_id] = one._replace(order=changed, left=max(ZERO, quantity - one.filled))

    def cancel(self, client_order_id: str, status: str = "cancelled", reason: str = "") -> Iterator[str]:
        """End an order before it is filled, and what depends on it; yield the ids of those that have ended."""
        one = self.resting[client_order_id]
        if one.is_done:
            return
        self.resting[client_order_id] = one._replace(status=status, reason=reason)
        yield client_order_id
        parent, leg = leg_of(client_order_id)
        if parent:
            brothers = [parent] if self._is_pair(parent) else [leg_id(parent, other) for other in LEGS if other != leg]
        else:
            brothers = [leg_id(client_order_id, name) for name in one.order.terms.legs]
        for brother in brothers:
            other = self.resting.get(brother)
            # The exits of what a bracket has bought stay, when only its rest is cancelled.
            if other is not None and (parent or one.order.terms.is_pair or not other.left):
                yield from self.cancel(brother, "cancelled", "the order beside it has ended")

    def expire(self, symbol: str, at: datetime) -> Iterator[str]:
        """End the orders of a symbol whose time is over; yield their ids."""
        for name, one in list(self.resting.items()):
            if one.order.symbol == symbol and one.expires_at is not None and one.expires_at <= at:
                yield from self.cancel(name, "cancelled" if one.order.waits == "ioc" else "expired")

    def see(self, symbol: str, prices: Prices) -> Iterator[tuple[str, Fill | None]]:
        """Compare prices with the orders of a symbol; yield the id of each that has changed, with what it has filled."""
        for client_order_id in self._in_order(symbol):
            yield from self._see_one(client_order_id, prices)

    def _in_order(self, symbol: str) -> list[str]:
        """Return the orders of a symbol, stops first."""
        waiting = [one for one in self.resting.values() if one.order.symbol == symbol and not one.is_done]
        if len(waiting) > 1:
            waiting.sort(key=lambda one: (one.order.terms.kind in {"market", "limit"}, one.placed_at))
        return [one.order.client_order_id for one in waiting]

    def _see_one(self, client_order_id: str, prices: Prices) -> Iterator[tuple[str, Fill | None]]:
        one, rank = self.resting[client_order_id], prices.rank
        if one.is_done or rank <= one.seen or (prices.is_extended and not one.order.terms.extended_hours):
            return
        if one.status == "held":
            self.resting[client_order_id] = one._replace(seen=rank)
            return
        if one.expires_at is not None and prices.at > one.expires_at:
            for ended in self.cancel(client_order_id, "expired"):
                yield ended, None
            return
        if prices.opened is not None and prices.opened < one.placed_at:
            if prices.is_followed:
                return
            prices = prices._replace(open=prices.close, high=prices.close, low=prices.close)
        one, price = compared(one, prices)
        one = one._replace(seen=rank)
        self.resting[client_order_id] = one
        if price is not None:
            yield from self._fill(one, price, prices)
        for ended in self._ended(client_order_id, prices):
            yield ended, None

    def _fill(self, one: Resting, price: float, prices: Prices) -> Iterator[tuple[str, Fill | None]]:
        order, room = one.order, one.left
        if one.full_until is not None and prices.bar == one.full_until:
            return
        is_whole = one.left == one.left.to_integral_value()
        bound = self.costs.room(prices.volume, is_whole=is_whole)
        if bound is not None and bound < room:
            room = bound
            one = one._replace(full_until=prices.bar)
        if not room:
            self.resting[order.client_order_id] = one
            return
        each = _within_limit(self.costs.slipped(decimal(price), order.side), order)
        value = one.value + room * each
        fee = self.costs.commission_of(one.filled + room, value, one.fee)
        fill = Fill(prices.at, order, room, each, fee)
        if reason := self.settle(fill):
            status = "cancelled" if one.filled else "rejected"
            for ended in self.cancel(order.client_order_id, status, reason):
                yield ended, None
            return
        left = one.left - room
        status = "partially_filled" if left else "filled"
        if leg_of(order.client_order_id)[0] and not left and self._may_grow(order.client_order_id):
            status = "partially_filled"
        self.resting[order.client_order_id] = one._replace(
            left=left, filled=one.filled + room, value=value, fee=one.fee + fee, status=status
        )
        yield order.client_order_id, fill
        yield from self._pass_on(order, room, prices)

    def _pass_on(self, order: Order, quantity: Decimal, prices: Prices) -> Iterator[tuple[str, Fill | None]]:
        """Give a fill to the orders beside it: a bracket's legs take it up, one that cancels another takes it away."""
        parent, _ = leg_of(order.client_order_id)
        if order.terms.legs and not order.terms.is_pair:
            yield from self._arm(order, quantity, prices)
            return
        group = [parent or order.client_order_id]
        group = [*group, *(leg_id(group[0], leg) for leg in LEGS)]
        for name in group:
            other = self.resting.get(name)
            is_entry = name == parent and not self._is_pair(parent)
            if other is None or name == order.client_order_id or other.is_done or is_entry:
                continue
            left = max(ZERO, other.left - quantity)
            self.resting[name] = other._replace(left=left)
            if not left and not self._may_grow(name):
                for ended in self.cancel(name, "cancelled", "the order beside it has filled"):
                    yield ended, None

    def _arm(self, order: Order, quantity: Decimal, prices: Prices) -> Iterator[tuple[str, Fill | None]]:
        entry = self.resting[order.client_order_id]
        is_range = prices.high != prices.low
        for leg in LEGS:
            name = leg_id(order.client_order_id, leg)
            one = self.resting[name]
            if one.is_done:
                continue
            self.resting[name] = one._replace(left=one.left + quantity, status="accepted", seen=prices.rank)
            yield name, None
            if leg == STOP_LOSS and is_range and entry.price is not None:
                # The bar that filled the entry may have gone on to the stop; that it went to the profit is not assumed.
                yield from self._stop_in_same_bar(name, prices._replace(open=float(entry.price)))

    def _stop_in_same_bar(self, name: str, prices: Prices) -> Iterator[tuple[str, Fill | None]]:
        one, price = compared(self.resting[name], prices)
        self.resting[name] = one
        if price is not None:
            yield from self._fill(one, price, prices)

    def _ended(self, client_order_id: str, prices: Prices) -> Iterator[str]:
        one = self.resting[client_order_id]
        waits = one.order.waits
        if one.is_done:
            if not one.filled:
                return
            legs = [leg_id(client_order_id, leg) for leg in one.order.terms.legs]
            for leg in legs:
                if (other := self.resting.get(leg)) is not None and not other.is_done and not other.left:
                    yield from self.cancel(leg, "cancelled", "the order beside it has ended")
        elif waits == "ioc":
            yield from self.cancel(client_order_id)
        elif (waits == "opg" and prices.moment == OPENING) or (waits == "cls" and prices.moment == CLOSING):
            yield from self.cancel(client_order_id, "expired")

    def _may_grow(self, client_order_id: str) -> bool:
        """Tell whether a leg may get more to do, because its bracket's entry still fills."""
        parent, _ = leg_of(client_order_id)
        entry = self.resting.get(parent)
        return entry is not None and not entry.order.terms.is_pair and not entry.is_done

    def _is_pair(self, client_order_id: str) -> bool:
        one = self.resting.get(client_order_id)
        return one is not None and one.order.terms.is_pair


def _within_limit(price: Decimal, order: Order) -> Decimal:
    if order.terms.limit is None:
        return price
    limit = decimal(order.terms.limit)
    return min(price, limit) if order.side == "buy" else max(price, limit)
