"""The account of a backtest: orders fill at the next price after the decision, with costs and slippage, in memory.

Cash is a Decimal, exact to a millionth. A purchase fills above the market's price by the slippage, a sale below it; the
commission is a share of what was traded. One basis point is a hundredth of a percent.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from decimal import Decimal
from math import isfinite

from openbell.backtest.past import NextPrice, PastMarket
from openbell.trading.brokers import Account, BrokerError, Order, OrderRefusedError, PlacedOrder, Position
from openbell.trading.markets import Market, MarketError

CURRENCY = "USD"
_MONEY = Decimal("0.000001")
_BASIS_POINT = Decimal(10_000)


@dataclass(frozen=True)
class Costs:
    """What trading costs, in basis points of the amount."""

    commission: Decimal = Decimal(0)
    slippage: Decimal = Decimal(0)


@dataclass(frozen=True)
class Fill:
    """An order that was filled. `commission` is in the account's currency; quantity is below zero for a sale."""

    at: datetime
    bot: str
    symbol: str
    quantity: float
    price: float
    commission: float


@dataclass(frozen=True)
class _Waiting:
    order: Order
    bot: str
    quantity: Decimal
    next: NextPrice | None  # None: the prices end before it can fill


class BacktestBroker:
    """A broker whose clock is moved from slot to slot."""

    def __init__(self, market: Market, cash: Decimal, costs: Costs) -> None:
        self.at: datetime | None = None  # the instant at which orders are placed
        self.bot = ""  # on whose behalf
        self.cash = cash
        self.fills: list[Fill] = []
        self.orders_taken = 0  # how many orders were filled or wait; rejected ones do not count
        self._market = market
        self._costs = costs
        self._held: dict[str, tuple[Decimal, Decimal]] = {}  # symbol → quantity, cost
        self._orders: dict[str, PlacedOrder] = {}
        self._waiting: dict[str, _Waiting] = {}  # by client_order_id, in the order in which they were placed

    def account(self) -> Account:
        """Return the cash that is left."""
        return Account(float(self.cash), CURRENCY)

    def positions(self) -> dict[str, Position]:
        """Return the open positions by symbol."""
        return {
            symbol: Position(symbol, float(quantity), float(cost / quantity))
            for symbol, (quantity, cost) in sorted(self._held.items())
        }

    def equity(self, at: datetime) -> float:
        """Return what cash and positions are worth at the newest known prices."""
        return float(self.cash) + sum(
            float(quantity) * self._market.price(symbol, at) for symbol, (quantity, _) in self._held.items()
        )

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id, or None."""
        return self._orders.get(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Take an order: it fills at the next price, now if that is known already, or it is rejected with a reason.

        OrderRefusedError if the symbol's prices have ended or paused: live, the order would have been held back.
        """
        if known := self._orders.get(order.client_order_id):
            return known
        quantity = Decimal(repr(order.quantity)) if isfinite(order.quantity) else Decimal(0)
        if quantity <= 0 or order.side not in {"buy", "sell"}:
            return self._record(
                order, "rejected", reason=f"a side and a quantity above zero, not {order.side} {order.quantity}"
            )
        waiting = _Waiting(order, self.bot, quantity, self._next_price(order.symbol))
        if waiting.next is not None and waiting.next.at <= self._at():
            placed = self._fill(waiting, waiting.next)
            self.orders_taken += placed.status == "filled"
            return placed
        if reason := self._cannot_pay(order, quantity, Decimal(repr(self._market.price(order.symbol, self._at())))):
            return self._record(order, "rejected", reason=reason)
        self._waiting[order.client_order_id] = waiting
        self.orders_taken += 1
        return self._record(order, "accepted", reason="waits for the next price")

    def fill_until(self, at: datetime) -> Iterator[PlacedOrder]:
        """Fill what waits for prices until `at`, in the order of those prices, and yield what became of each order."""
        due = [one for one in self._waiting.values() if one.next is not None and one.next.at <= at]
        for one in sorted(due, key=lambda one: one.next.at if one.next else at):
            del self._waiting[one.order.client_order_id]
            if one.next is not None:
                yield self._fill(one, one.next)

    def close_ended(self, at: datetime) -> Iterator[tuple[str, NextPrice]]:
        """Sell at its last price what is held of symbols whose prices end before `at`; yield each with that price."""
        if not isinstance(self._market, PastMarket):
            return
        for symbol, (quantity, _) in list(self._held.items()):
            last = self._market.ends_before(symbol, at)
            if last is not None:
                self._sell(symbol, quantity, quantity * Decimal(repr(last.price)))
                self.fills.append(Fill(last.at, self.bot, symbol, -float(quantity), last.price, 0.0))
                yield symbol, last

    def cancel(self, client_order_id: str) -> None:
        """Cancel an order that waits; BrokerError if there is none or it is done already."""
        if self._waiting.pop(client_order_id, None) is None:
            msg = f"order {client_order_id} is done already and cannot be cancelled"
            raise BrokerError(msg)
        self._orders[client_order_id] = replace(self._orders[client_order_id], status="cancelled", reason="")

    def _next_price(self, symbol: str) -> NextPrice | None:
        at = self._at()
        try:
            if not isinstance(self._market, PastMarket):
                return NextPrice(at, self._market.price(symbol, at))
            if stale := self._market.stale_since(symbol, at):
                msg = f"stale data: the newest price of {symbol} is of {stale:%Y-%m-%d %H:%M} UTC"
                raise OrderRefusedError(msg)
            return self._market.next_price(symbol, at)
        except MarketError as error:
            msg = f"no price for {symbol}: {error}"
            raise BrokerError(msg) from error

    def _fill(self, waiting: _Waiting, at: NextPrice) -> PlacedOrder:
        order, quantity = waiting.order, waiting.quantity
        slippage = self._costs.slippage / _BASIS_POINT
        price = Decimal(repr(at.price)) * (1 + slippage if order.side == "buy" else 1 - slippage)
        if reason := self._cannot_pay(order, quantity, price):
            return self._record(order, "rejected", reason=reason)
        amount = (quantity * price).quantize(_MONEY)
        commission = self._commission(amount)
        if order.side == "buy":
            held, cost = self._held.get(order.symbol, (Decimal(0), Decimal(0)))
            self.cash -= amount + commission
            self._held[order.symbol] = (held + quantity, cost + amount)
        else:
            self._sell(order.symbol, quantity, amount - commission)
        signed = order.quantity if order.side == "buy" else -order.quantity
        self.fills.append(Fill(at.at, waiting.bot, order.symbol, signed, float(price), float(commission)))
        return self._record(order, "filled", price=float(price))

    def _cannot_pay(self, order: Order, quantity: Decimal, price: Decimal) -> str:
        """Return why the order cannot be filled at `price`, or an empty string."""
        if order.side == "buy":
            amount = (quantity * price).quantize(_MONEY)
            needed = amount + self._commission(amount)
            return f"insufficient cash: needs {needed:.2f}, has {self.cash:.2f}" if needed > self.cash else ""
        held = self._held.get(order.symbol, (Decimal(0), Decimal(0)))[0]
        return f"insufficient position: needs {quantity} {order.symbol}, has {held}" if quantity > held else ""

    def _commission(self, amount: Decimal) -> Decimal:
        return (amount * self._costs.commission / _BASIS_POINT).quantize(_MONEY)

    def _sell(self, symbol: str, quantity: Decimal, proceeds: Decimal) -> None:
        held, cost = self._held[symbol]
        self.cash += proceeds.quantize(_MONEY)
        left = held - quantity
        self._held[symbol] = (left, (cost * left / held).quantize(_MONEY))
        if not left:
            del self._held[symbol]

    def _record(self, order: Order, status: str, *, price: float | None = None, reason: str = "") -> PlacedOrder:
        before = self._orders.get(order.client_order_id)
        placed = PlacedOrder(
            before.order_id if before else f"backtest-{len(self._orders) + 1}",
            order.client_order_id,
            order.symbol,
            order.side,
            order.quantity,
            status,
            0.0 if price is None else order.quantity,
            price,
            before.placed_at if before else self._at(),
            reason,
        )
        self._orders[order.client_order_id] = placed
        return placed

    def _at(self) -> datetime:
        if self.at is None:
            msg = "the backtest's clock is not set"
            raise BrokerError(msg)
        return self.at
