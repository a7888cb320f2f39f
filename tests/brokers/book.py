"""A venue's books, behind every stub: orders by our id, what is held, and how orders fill."""

import threading
from dataclasses import dataclass, field


class RejectedError(Exception):
    """The venue does not take the order; the text is its reason."""


class DoubledError(Exception):
    """There is an order under this id already."""


@dataclass
class Booked:
    """One order as the venue has it."""

    number: int
    client_id: str
    symbol: str
    side: str
    quantity: float
    filled: float
    price: float
    status: str  # filled, open, pending (until another has filled), cancelled, expired or replaced
    fee: float = 0.0  # in units of the symbol
    asked: dict[str, object] = field(default_factory=dict)  # the order as it came over the wire
    legs: list["Booked"] = field(default_factory=list)
    replaced_by: int = 0


@dataclass
class Book:
    """One account. `fill` says how much of the next orders fills at once: 1 is all, 0 nothing."""

    cash: float = 100_000.0
    prices: dict[str, float] = field(default_factory=lambda: {"AAPL": 100.0, "BTC/USDT": 50_000.0, "BTC/USD": 50_000.0})
    held: dict[str, float] = field(default_factory=dict)
    fill: float = 1.0
    fee: float = 0.0  # part of what is bought
    forgets_ids: bool = False  # of orders that are done: an exchange's, unlike a broker's
    orders: list[Booked] = field(default_factory=list)
    lends: bool = False  # a margin account: what is not held can be sold
    loses_done: bool = False  # lists, and questions by our id, know of no order that is done; trades do
    earns_as: str = ""  # the name under which Kraken shows a coin that earns or is staked: XBT.F
    halted: set[str] = field(default_factory=set)  # symbols that are there and not traded now
    corporate_actions: list[tuple[str, dict[str, object]]] = field(default_factory=list)  # of shares, by kind
    activities: list[dict[str, object]] = field(default_factory=list)  # of the account, beside its orders
    lock: threading.RLock = field(default_factory=threading.RLock)

    def place(
        self,
        client_id: str,
        symbol: str,
        side: str,
        quantity: float,
        asked: dict[str, object] | None = None,
        *,
        waits: bool = False,
    ) -> Booked:
        """Take an order, or raise why not. waits: it is no market order, and fills when the test says so."""
        with self.lock:
            if any(
                one.client_id == client_id and not (self.forgets_ids and one.status != "open") for one in self.orders
            ):
                raise DoubledError
            if symbol not in self.prices:
                msg = f"unknown symbol {symbol}"
                raise RejectedError(msg)
            if side == "buy" and quantity * self.prices[symbol] > self.cash:
                msg = "insufficient balance"
                raise RejectedError(msg)
            if side == "sell" and not self.lends and quantity > self.held.get(symbol, 0.0) + 1e-12:
                msg = "insufficient balance"
                raise RejectedError(msg)
            order = Booked(len(self.orders) + 1, client_id, symbol, side, quantity, 0.0, self.prices[symbol], "open")
            order.asked = asked or {}
            self.orders.append(order)
            if not waits:
                self.execute(order, quantity * self.fill)
            return order

    def leg(
        self, entry: Booked, side: str, asked: dict[str, object], client_id: str = "", status: str = "open"
    ) -> Booked:
        """Keep an exit beside an order, under an id of the venue's own if the order has named none."""
        with self.lock:
            number = len(self.orders) + 1
            named = client_id or f"venue-{number}"
            one = Booked(number, named, entry.symbol, side, entry.quantity, 0.0, 0.0, status, asked=asked)
            self.orders.append(one)
            entry.legs.append(one)
            return one

    def replace(self, order: Booked, changes: dict[str, object]) -> Booked:
        """Let another order go on in an order's place."""
        with self.lock:
            number = len(self.orders) + 1
            quantity = float(str(changes.get("qty", order.quantity)))
            asked = {**order.asked, **changes}
            after = Booked(
                number, f"venue-{number}", order.symbol, order.side, quantity, 0.0, order.price, "open", asked=asked
            )
            self.orders.append(after)
            order.status, order.replaced_by = "replaced", number
            return after

    def amend(self, order: Booked, changes: dict[str, object], size: str) -> str:
        """Give an order other terms, of which `size` is its quantity in all; return why not, or an empty string."""
        with self.lock:
            quantity = float(str(changes.get(size, order.quantity)))
            if quantity < order.filled:
                return "the quantity is below what was filled"
            order.asked.update(changes)
            order.quantity = quantity
            return ""

    def execute(self, order: Booked, quantity: float) -> None:
        """Fill so much more of an order."""
        with self.lock:
            fee = quantity * self.fee if order.side == "buy" else 0.0
            sign = 1 if order.side == "buy" else -1
            order.filled += quantity
            order.fee += fee
            self.cash -= sign * quantity * order.price
            self.held[order.symbol] = self.held.get(order.symbol, 0.0) + sign * quantity - fee
            if order.filled >= order.quantity - 1e-12:
                order.status = "filled"

    def known(self, client_id: str) -> Booked | None:
        """Return the newest order of that id."""
        with self.lock:
            return next((one for one in reversed(self.listed) if one.client_id == client_id), None)

    @property
    def listed(self) -> list[Booked]:
        """The orders that lists have, and questions by our id."""
        return [one for one in self.orders if one.status == "open"] if self.loses_done else self.orders

    def traded(self) -> list[Booked]:
        """Return the orders of which something was filled."""
        return [one for one in self.orders if one.filled]

    def numbered(self, number: int) -> Booked:
        """Return the order of that number."""
        return self.orders[number - 1]
