"""The account of a backtest: its orders are filled by the matching engine, with costs and slippage, in memory."""

from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from math import isfinite
from typing import NamedTuple

from openbell.backtest import price_events
from openbell.backtest.past import KnownPrice, PastMarket
from openbell.costs import Costs
from openbell.order_terms import leg_of
from openbell.position import ZERO, decimal
from openbell.trading import cash_account, market_prices, matching, reservations
from openbell.trading.brokers import Account, BrokerError, Order, OrderRefusedError, PlacedOrder, Position
from openbell.trading.cash_account import Holding
from openbell.trading.markets import Market, MarketError
from openbell.trading.matching import Book
from openbell.trading.price_comparison import Prices, Resting

CURRENCY = "USD"


class Fill(NamedTuple):
    """An order that was filled. `commission` is in the account's currency; quantity is below zero for a sale."""

    at: datetime
    bot: str
    symbol: str
    quantity: float
    price: float
    commission: float
    reason: str = ""  # of the decision; of a bracket's exit, which one it was


class BacktestBroker:
    """A broker whose clock is moved from slot to slot."""

    def __init__(self, market: Market, cash: Decimal, costs: Costs, *, short: bool = False) -> None:
        """short: more may be sold than is held."""
        self.at: datetime | None = None  # the instant at which orders are placed
        self.bot = ""  # on whose behalf
        self.cash = cash
        self.fills: list[Fill] = []
        self.borrowed: dict[str, Decimal] = {}  # by symbol, what short positions have cost so far
        self.orders_taken = 0  # how many orders were filled or wait; rejected ones do not count
        self._market = market
        self._costs = costs
        self._short = short
        self._held: dict[str, Holding] = {}
        self._told: tuple[Decimal, Account] | None = None  # the newest answer of `account`, with its cash
        self._orders: dict[str, PlacedOrder] = {}
        self._bots: dict[str, str] = {}  # by client_order_id
        self._book = Book(costs, self._settle)
        self._borrowed_until: datetime | None = None

    def account(self) -> Account:
        """Return the cash that is left."""
        if self._told is None or self._told[0] is not self.cash:
            self._told = self.cash, Account(float(self.cash), CURRENCY)
        return self._told[1]

    def positions(self) -> dict[str, Position]:
        """Return the open positions by symbol."""
        return {
            symbol: Position(symbol, float(one.quantity), float(one.cost / one.quantity))
            for symbol, one in sorted(self._held.items())
        }

    def worth(self, at: datetime) -> tuple[float, float]:
        """Return what cash and positions are worth at the newest known prices, and the positions alone, short ones too."""
        equity, exposure = float(self.cash), 0.0
        for symbol, one in self._held.items():
            value = float(one.quantity) * self._market.price(symbol, at)
            equity += value
            exposure += abs(value)
        return equity, exposure

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id, or None."""
        return self._orders.get(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Take an order: it fills at the next price, now if that is known already, or it is rejected with a reason.

        OrderRefusedError if the symbol's prices have ended or paused: live, the order would have been held back.
        """
        if known := self._orders.get(order.client_order_id):
            return known
        at = self.now()
        if not isfinite(order.quantity) or order.quantity <= 0 or order.side not in {"buy", "sell"}:
            wanted = f"{order.side} {order.quantity}"
            return self._rejected(order, f"a side and a quantity above zero, not {wanted}")
        price = self._price(order.symbol)
        expires = at if order.waits == "ioc" else None
        if order.waits == "day":
            expires = self._day_ends(order.symbol, at)
        is_past = isinstance(self._market, PastMarket)
        seen = at if is_past else market_prices.seen_at(self._market, order.symbol, at)
        waiting = self._book.resting.values()
        held = self._held.get(order.symbol, Holding()).quantity
        if reason := reservations.refusal(order, price, waiting, self._costs, self.cash, held, short=self._short):
            return self._rejected(order, reason)
        self._book.add(order, at, seen, expires)
        for one in self._group(order.client_order_id):
            self._bots[one.order.client_order_id] = self.bot
        self._see_the_moment(order.symbol, at)
        self._see(order.symbol, at)
        for one in self._group(order.client_order_id):
            self._record(one)
        placed = self._orders[order.client_order_id]
        self.orders_taken += placed.status != "rejected"
        return placed

    def has_to_move(self, at: datetime) -> bool:
        """Tell whether anything changes with the time alone: orders wait, or short positions cost."""
        if self._book.resting or self._costs.borrow:
            return True
        self._borrowed_until = at
        return False

    def fill_until(self, at: datetime) -> Iterator[PlacedOrder]:
        """Fill what waits for prices until `at`, in the order of those prices, and yield each order that has changed."""
        self._charge_borrowing(at)
        symbols = dict.fromkeys(one.order.symbol for one in self._book.resting.values())
        changed: list[tuple[datetime, PlacedOrder]] = []
        for symbol in symbols:
            changed += self._see(symbol, at)
            for ended in self._book.expire(symbol, at):
                changed.append((at, self._record(self._book.resting[ended])))
            self._forget_done(symbol)
        changed.sort(key=lambda one: one[0])
        yield from (placed for _, placed in changed)

    def close_ended(self, at: datetime) -> Iterator[tuple[str, KnownPrice]]:
        """Sell at its last price what is held of symbols whose prices end before `at`; yield each with that price."""
        if not isinstance(self._market, PastMarket):
            return
        for symbol, held in list(self._held.items()):
            last = self._market.ends_before(symbol, at)
            if last is not None:
                self.cash += (held.quantity * Decimal(repr(last.price))).quantize(cash_account.MONEY)
                del self._held[symbol]
                self.fills.append(Fill(last.at, "", symbol, -float(held.quantity), last.price, 0.0, "its prices ended"))
                yield symbol, last

    def cancel(self, client_order_id: str) -> None:
        """Cancel an order that waits; BrokerError if there is none or it is done already."""
        if client_order_id not in self._book.resting:
            msg = f"order {client_order_id} is done already and cannot be cancelled"
            raise BrokerError(msg)
        for ended in list(self._book.cancel(client_order_id)):
            self._record(self._book.resting[ended])
        self._forget_done(self._orders[client_order_id].symbol)

    def replace(self, order: Order) -> PlacedOrder:
        """Give an order that waits other terms and another quantity; BrokerError if it is done already."""
        one = self._book.resting.get(order.client_order_id)
        if one is None or one.is_done:
            msg = f"order {order.client_order_id} is done already and cannot be replaced"
            raise BrokerError(msg)
        self._book.replace(order, decimal(order.quantity))
        return self._record(self._book.resting[order.client_order_id])

    def _price(self, symbol: str) -> float:
        at = self.now()
        try:
            if isinstance(self._market, PastMarket) and (stale := self._market.stale_since(symbol, at)):
                msg = f"stale data: the newest price of {symbol} is of {stale:%Y-%m-%d %H:%M} UTC"
                raise OrderRefusedError(msg)
            return self._market.price(symbol, at)
        except MarketError as error:
            msg = f"no price for {symbol}: {error}"
            raise BrokerError(msg) from error

    def _day_ends(self, symbol: str, at: datetime) -> datetime | None:
        if isinstance(self._market, PastMarket):
            return price_events.day_ends(self._market.of(symbol), at)
        return market_prices.day_ends(self._market, symbol, at)

    def _group(self, client_order_id: str) -> list[Resting]:
        return [one for name, one in self._book.resting.items() if client_order_id in {name, leg_of(name)[0]}]

    def _see(self, symbol: str, until: datetime) -> list[tuple[datetime, PlacedOrder]]:
        """Let the orders of a symbol meet its prices; return what has changed, with when."""
        changed: list[tuple[datetime, PlacedOrder]] = []
        waiting = [one for one in self._book.resting.values() if one.order.symbol == symbol]
        if not waiting:
            return changed
        for prices in self._prices(symbol, waiting, until):
            changed += self._meet(symbol, prices)
        return changed

    def _see_the_moment(self, symbol: str, at: datetime) -> None:
        if isinstance(self._market, PastMarket) and (now := price_events.of_the_moment(self._market.of(symbol), at)):
            self._meet(symbol, now)

    def _meet(self, symbol: str, prices: Prices) -> list[tuple[datetime, PlacedOrder]]:
        changed = []
        for client_order_id, fill in list(self._book.see(symbol, prices)):
            if fill is not None:
                sign = 1 if fill.order.side == "buy" else -1
                told = (sign * float(fill.quantity), float(fill.price), float(fill.fee))
                reason = leg_of(client_order_id)[1].replace("_", " ") or fill.order.reason
                self.fills.append(Fill(fill.at, self._bots[client_order_id], symbol, *told, reason))
            changed.append((prices.at, self._record(self._book.resting[client_order_id])))
        self._forget_done(symbol)
        return changed

    def _prices(self, symbol: str, waiting: list[Resting], until: datetime) -> Iterator[Prices]:
        if not isinstance(self._market, PastMarket):
            yield from market_prices.since(self._market, symbol, waiting, until)
            return
        yield from price_events.since(self._market.of(symbol), min(one.seen for one in waiting), until)

    def _forget_done(self, symbol: str) -> None:
        """Let go of orders that are done with all that depends on them."""
        for name, one in list(self._book.resting.items()):
            if one.order.symbol == symbol and not leg_of(name)[0]:
                group = self._group(name)
                if all(other.is_done for other in group):
                    for other in group:
                        del self._book.resting[other.order.client_order_id]

    def _settle(self, fill: matching.Fill) -> str:
        order = fill.order
        amount = (fill.quantity * fill.price).quantize(cash_account.MONEY)
        holding = self._held.get(order.symbol, Holding())
        needed = (order.symbol, order.side, fill.quantity, amount + fill.fee)
        if reason := cash_account.refusal(*needed, self.cash, holding.quantity, short=self._short):
            return reason
        holding = cash_account.after_fill(holding, order.side, fill.quantity, amount)
        self.cash += -amount - fill.fee if order.side == "buy" else amount - fill.fee
        if holding.quantity:
            self._held[order.symbol] = holding
        else:
            self._held.pop(order.symbol, None)
        return ""

    def _charge_borrowing(self, at: datetime) -> None:
        before, self._borrowed_until = self._borrowed_until, at
        if before is None or not self._costs.borrow:
            return
        for symbol, one in self._held.items():
            if one.quantity < 0:
                worth = -one.quantity * Decimal(repr(self._market.price(symbol, at)))
                cost = self._costs.borrowing(worth, at - before)
                self.cash -= cost
                self.borrowed[symbol] = self.borrowed.get(symbol, ZERO) + cost

    def _rejected(self, order: Order, reason: str) -> PlacedOrder:
        return self._record(Resting(order, self.now(), self.now(), ZERO, "rejected", reason))

    def _record(self, one: Resting) -> PlacedOrder:
        order = one.order
        before = self._orders.get(order.client_order_id)
        placed = PlacedOrder(
            before.order_id if before else f"backtest-{len(self._orders) + 1}",
            order.client_order_id,
            order.symbol,
            order.side,
            order.quantity,
            one.status,
            float(one.filled),
            None if one.price is None else float(one.price),
            one.placed_at,
            one.reason or ("waits for the next price" if one.status == "accepted" else ""),
            fee_paid=float(one.fee),
        )
        self._orders[order.client_order_id] = placed
        return placed

    def now(self) -> datetime:
        """Return the instant at which orders are placed."""
        if self.at is None:
            msg = "the backtest's clock is not set"
            raise BrokerError(msg)
        return self.at
