"""The account of a backtest: the paper broker's rules, with costs and slippage, in memory.

Cash is a Decimal, exact to a millionth. A purchase fills above the market's price by the slippage, a sale below it; the
commission is a share of what was traded. One basis point is a hundredth of a percent.
"""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from math import isfinite

from openbell.trading.brokers import Account, BrokerError, Order, PlacedOrder, Position
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


class BacktestBroker:
    """A broker whose clock is moved from slot to slot."""

    def __init__(self, market: Market, cash: Decimal, costs: Costs) -> None:
        self.at: datetime | None = None  # the instant at which orders are placed
        self.bot = ""  # on whose behalf
        self.cash = cash
        self.fills: list[Fill] = []
        self._market = market
        self._costs = costs
        self._held: dict[str, tuple[Decimal, Decimal]] = {}  # symbol → quantity, cost
        self._orders: dict[str, PlacedOrder] = {}

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
        """Fill `order` whole at the next known price, or reject it with a reason."""
        if known := self._orders.get(order.client_order_id):
            return known
        quantity = Decimal(repr(order.quantity)) if isfinite(order.quantity) else Decimal(0)
        if quantity <= 0 or order.side not in {"buy", "sell"}:
            return self._record(order, None, f"a side and a quantity above zero, not {order.side} {order.quantity}")
        price = self._price(order)
        amount = (quantity * price).quantize(_MONEY)
        commission = (amount * self._costs.commission / _BASIS_POINT).quantize(_MONEY)
        held, cost = self._held.get(order.symbol, (Decimal(0), Decimal(0)))
        if order.side == "buy":
            if amount + commission > self.cash:
                return self._record(
                    order, None, f"insufficient cash: needs {amount + commission:.2f}, has {self.cash:.2f}"
                )
            self.cash -= amount + commission
            self._held[order.symbol] = (held + quantity, cost + amount)
        else:
            if quantity > held:
                return self._record(order, None, f"insufficient position: needs {quantity} {order.symbol}, has {held}")
            self.cash += amount - commission
            left = held - quantity
            self._held[order.symbol] = (left, (cost * left / held).quantize(_MONEY))
            if not left:
                del self._held[order.symbol]
        signed = order.quantity if order.side == "buy" else -order.quantity
        self.fills.append(Fill(self._at(), self.bot, order.symbol, signed, float(price), float(commission)))
        return self._record(order, float(price), "")

    def cancel(self, client_order_id: str) -> None:
        """Raise BrokerError: an order is filled or rejected as soon as it is placed."""
        msg = f"order {client_order_id} is done already and cannot be cancelled"
        raise BrokerError(msg)

    def _price(self, order: Order) -> Decimal:
        try:
            price = Decimal(repr(self._market.price(order.symbol, self._at())))
        except MarketError as error:
            msg = f"no price for {order.symbol}: {error}"
            raise BrokerError(msg) from error
        slippage = self._costs.slippage / _BASIS_POINT
        return price * (1 + slippage if order.side == "buy" else 1 - slippage)

    def _record(self, order: Order, price: float | None, reason: str) -> PlacedOrder:
        placed = PlacedOrder(
            f"backtest-{len(self._orders) + 1}",
            order.client_order_id,
            order.symbol,
            order.side,
            order.quantity,
            "rejected" if price is None else "filled",
            0.0 if price is None else order.quantity,
            price,
            self._at(),
            reason,
        )
        self._orders[order.client_order_id] = placed
        return placed

    def _at(self) -> datetime:
        if self.at is None:
            msg = "the backtest's clock is not set"
            raise BrokerError(msg)
        return self.at
