"""A broker that is set by hand, a ledger, and the way of an order between them."""

from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from openbell.abilities import ABILITIES
from openbell.ledger import Ledger, OrderRecord
from openbell.manifest import Limits
from openbell.order_terms import STOP_LOSS, TAKE_PROFIT, Terms, leg_id
from openbell.strategy.order_path import OrderPath
from openbell.trading.brokers import Account, Order, PlacedOrder
from openbell.trading.order_checks import OrderChecks
from tests.fake_trading import FakeBroker
from tests.order_attempts import MANIFEST, OneMarket
from tests.venue_model import UNIQUE_IDS, Clock, Venue

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SLOT, SENT = NOW - timedelta(minutes=1), NOW - timedelta(seconds=30)
ORDER = Order("ob-1", "BTC/USDT", "buy", 3.0)
BRACKET = replace(ORDER, terms=Terms(take_profit=120.0, stop_loss=80.0))
LEGS = (leg_id("ob-1", TAKE_PROFIT), leg_id("ob-1", STOP_LOSS))


def placed(name: str = "ob-1", status: str = "filled", filled: float = 3.0) -> PlacedOrder:
    """Return an order as the broker has it."""
    return PlacedOrder(f"v-{name}", name, "BTC/USDT", "buy", 3.0, status, filled, 100.0 if filled else None, NOW, "")


@dataclass
class ABroker(FakeBroker):
    """A broker with the orders that it is given. refuses: raised at the next order."""

    known: dict[str, PlacedOrder] = field(default_factory=dict)
    sent: list[Order] = field(default_factory=list)
    cancelled: list[str] = field(default_factory=list)
    refuses: Exception | None = None
    becomes: dict[str, PlacedOrder] = field(default_factory=dict)  # what is there after an order, or a cancellation
    finds_every_order: bool = True
    abilities: frozenset[str] = frozenset(ABILITIES)

    def account(self) -> Account:
        """Return the account."""
        return Account(1e6, "USDT")

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order."""
        return self.known.get(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Take an order."""
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(order)
        self.known.update(self.becomes or {order.client_order_id: placed(order.client_order_id)})
        return self.known[order.client_order_id]

    def cancel(self, client_order_id: str) -> None:
        """Cancel an order."""
        self.cancelled.append(client_order_id)
        if self.refuses is not None:
            raise self.refuses
        self.known.update(self.becomes)


class Replacing(ABroker):
    """One that changes orders."""

    def replace(self, order: Order) -> PlacedOrder:
        """Change an order."""
        if self.refuses is not None:
            raise self.refuses
        self.sent.append(order)
        return replace(placed(status="accepted", filled=1.0), quantity=order.quantity)


@dataclass
class Desk:
    """A ledger, a broker, and the way between them."""

    ledger: Ledger
    broker: ABroker
    limits: Limits = field(default_factory=Limits)
    market: OneMarket = field(default_factory=lambda: OneMarket(Venue(UNIQUE_IDS, Clock(NOW))))

    @property
    def path(self) -> OrderPath:
        """The way of the bot's orders."""
        manifest = replace(MANIFEST, limits=self.limits)
        bot = manifest.bots[0]
        checks = OrderChecks(manifest, bot, self.market, self.broker, self.ledger, lambda *, is_exit=False: "")
        return OrderPath("b", self.broker, self.ledger, checks, lambda: NOW)

    def send(self, order: Order = ORDER) -> PlacedOrder:
        """Send an order."""
        return self.path.send(order, "a leg", SLOT, SLOT).placed

    def intend(self, order: Order = ORDER, status: str = "intended") -> None:
        """Record an order of an earlier attempt."""
        record = OrderRecord(order.client_order_id, "b", SLOT, order.symbol, order.side, "", 3.0, terms=order.terms)
        self.ledger.intend(record, SENT)
        for leg in order.terms.legs:
            name = leg_id(order.client_order_id, leg)
            self.ledger.intend(replace(record, client_order_id=name, side="sell", terms=order.terms.of_leg(leg)), SENT)
        if status != "intended":
            self.ledger.settle(order.client_order_id, status, "v", reason="as it was")

    def record(self, name: str = "ob-1") -> OrderRecord:
        """Return what the ledger has of an order."""
        found = self.ledger.order(name)
        assert found is not None
        return found
