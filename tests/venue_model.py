"""A venue that behaves as real ones do, and a broker that asks it as ours do: for tests of the order path.

Its orders outlive the processes that send them. It may forget the ids of orders that are done, take a second order under such
an id, lend what an account does not hold, keep its fee in the coin, fill an order in parts, let it wait for the open, take an
order whose answer is then lost, turn requests away (401, 403, 429), answer nothing for a while (503), and ban for days.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from openbell.ledger import Ledger
from openbell.trading.brokers import FINAL, Account, BrokerError, NotSentError, Order, PlacedOrder, Position

WINDOW = timedelta(seconds=5)
# What may happen to an order, and for how long the venue then turns every request away.
TURNED_AWAY = {
    "401": timedelta(0),
    "403": timedelta(0),
    "429": timedelta(seconds=30),  # Retry-After
    "banned": timedelta(days=3),
}
DOWN = {"503": timedelta(minutes=40), "503 after it was taken": timedelta(minutes=40)}
TROUBLES = ("answer lost", "request lost", *TURNED_AWAY, *DOWN)


@dataclass(frozen=True)
class VenueRules:
    """What a venue promises about ids. keeps_ids: one stands for one order for ever. turns_late_away: by when it left."""

    name: str
    keeps_ids: bool = False
    lists_done: bool = True  # an order that is done is still found by its id
    turns_late_away: bool = False

    @property
    def finds_every_order(self) -> bool:
        """Tell whether an order that is not found never arrived and never will."""
        return self.keeps_ids or (self.lists_done and self.turns_late_away)


UNIQUE_IDS = VenueRules("ids are unique, as at Alpaca", keeps_ids=True)
DEADLINES = VenueRules("late orders are turned away, as at Kraken and Binance", turns_late_away=True)
FORGETS = VenueRules("ids of done orders are forgotten", lists_done=False)
ALL_RULES = (UNIQUE_IDS, DEADLINES, FORGETS)


@dataclass
class Clock:
    """The time, which only waiting moves."""

    now: datetime = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        """Return the time."""
        return self.now

    def wait(self, until: datetime) -> None:
        """Let time pass."""
        self.now = max(self.now, until)


@dataclass
class VenueOrder:
    """An order as the venue has it."""

    number: int
    client_order_id: str
    symbol: str
    side: str
    quantity: float
    placed_at: datetime
    filled: float = 0.0
    fee: float = 0.0
    status: str = "accepted"
    price: float = 0.0


@dataclass
class Venue:
    """One account at a venue. `trouble` is what happens to the next orders, one after the other."""

    rules: VenueRules
    clock: Clock
    price: float = 100.0
    cash: float = 1_000_000.0
    at_once: float = 1.0  # the part of an order that fills as it arrives
    fee: float = 0.0  # the part of what is bought that is kept
    orders: list[VenueOrder] = field(default_factory=list)
    held: dict[str, float] = field(default_factory=dict)
    trouble: list[str] = field(default_factory=list)
    silent_until: datetime | None = None  # it answers nothing before
    opens: int | None = None  # the hour at which the market opens, for sixteen hours; None: it never closes

    @property
    def is_open(self) -> bool:
        """Tell whether orders fill now."""
        return self.opens is None or self.opens <= self.clock().hour < self.opens + 16

    def ask(self, error: type[BrokerError] = BrokerError) -> None:
        """Take a request, or raise while the venue turns all of them away."""
        if self.silent_until is not None and self.clock() < self.silent_until:
            msg = f"the next request may be sent at {self.silent_until}"
            raise error(msg)

    def find(self, client_order_id: str) -> VenueOrder | None:
        """Return the newest order of that id, if the venue still knows it."""
        for one in reversed(self.orders):
            if one.client_order_id == client_order_id and (self.rules.lists_done or one.status not in FINAL):
                return one
        return None

    def place(self, order: Order, left_at: datetime) -> VenueOrder:
        """Take an order, or a look at the one of that id where the venue does not take a second one."""
        if self.rules.turns_late_away and self.clock() - left_at > WINDOW:
            msg = "the order came too late and was turned away"
            raise BrokerError(msg)
        for one in self.orders:
            if one.client_order_id == order.client_order_id and (self.rules.keeps_ids or one.status not in FINAL):
                return one
        number = len(self.orders) + 1
        one = VenueOrder(number, order.client_order_id, order.symbol, order.side, order.quantity, self.clock())
        self.orders.append(one)
        self.fill(one, order.quantity * self.at_once)
        return one

    def fill(self, order: VenueOrder, quantity: float) -> None:
        """Let some of an order fill."""
        quantity = min(quantity, order.quantity - order.filled)
        if quantity <= 0 or order.status in FINAL or not self.is_open:
            return
        kept = quantity * self.fee if order.side == "buy" else 0.0
        order.price = (order.price * order.filled + self.price * quantity) / (order.filled + quantity)
        order.filled, order.fee = order.filled + quantity, order.fee + kept
        is_whole = order.quantity - order.filled < 1e-12
        order.status = "filled" if is_whole else "partially_filled"
        sign = 1 if order.side == "buy" else -1
        self.cash -= sign * quantity * self.price
        self.held[order.symbol] = self.held.get(order.symbol, 0.0) + sign * quantity - kept

    def fill_all(self) -> None:
        """Let all that waits fill."""
        for one in self.orders:
            self.fill(one, one.quantity)


@dataclass
class ModelBroker:
    """The venue as one process sees it. step: called before and after everything that another process could notice."""

    venue: Venue
    ledger: Ledger
    step: Callable[[], None]

    @property
    def finds_every_order(self) -> bool:
        """Say what the venue promises."""
        return self.venue.rules.finds_every_order

    def account(self) -> Account:
        """Return the account."""
        self.venue.ask()
        return Account(self.venue.cash, "USDT")

    def positions(self) -> dict[str, Position]:
        """Return what is held."""
        self.venue.ask()
        held = self.venue.held.items()
        return {symbol: Position(symbol, quantity, 0.0) for symbol, quantity in held if abs(quantity) > 1e-9}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return an order, or None; where late orders are turned away, only once it could not arrive any more."""
        self.step()
        self.venue.ask()
        record = self.ledger.order(client_order_id)
        while (found := self.venue.find(client_order_id)) is None:
            over = (record.at or record.slot) + WINDOW + timedelta(seconds=1) if record is not None else None
            if over is None or not self.venue.rules.turns_late_away or self.venue.clock() >= over:
                return None
            self.venue.clock.wait(over)
        self.step()
        return _placed(found)

    def submit(self, order: Order) -> PlacedOrder:
        """Send an order; where its answer is lost, look for it."""
        left_at = self.venue.clock()
        self.venue.ask(NotSentError)  # a ban is known without a question: nothing leaves
        self.ledger.send_again(order.client_order_id, left_at)
        self.step()
        trouble = self.venue.trouble.pop(0) if self.venue.trouble else ""
        if trouble in TURNED_AWAY:
            self.venue.silent_until = left_at + TURNED_AWAY[trouble]
            raise NotSentError(trouble)
        if trouble == "503":
            self.venue.silent_until = left_at + DOWN[trouble]
        if trouble in {"request lost", "503"}:
            return self._look(order)
        placed = self.venue.place(order, left_at)
        if trouble in DOWN:
            self.venue.silent_until = left_at + DOWN[trouble]
        self.step()
        return self._look(order) if trouble else _placed(placed)

    def cancel(self, client_order_id: str) -> None:
        """Cancel the rest of an order."""
        self.step()
        self.venue.ask()
        found = self.venue.find(client_order_id)
        if found is None or found.status in FINAL:
            msg = "there is no such order"
            raise BrokerError(msg)
        found.status = "cancelled"
        self.step()

    def _look(self, order: Order) -> PlacedOrder:
        found = self.find(order.client_order_id)
        if found is None:
            msg = "no answer; the order is not known"
            raise BrokerError(msg)
        return found


def _placed(one: VenueOrder) -> PlacedOrder:
    named = (f"v-{one.number}", one.client_order_id, one.symbol, one.side, one.quantity)
    price = one.price if one.filled else None
    return PlacedOrder(*named, one.status, one.filled, price, one.placed_at, "", one.fee)
