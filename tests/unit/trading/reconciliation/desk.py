"""A ledger, a journal and a broker whose books are set by hand, for the tests of reconciliation."""

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from openbell.journal import Journal, since
from openbell.ledger import Ledger, OrderRecord
from openbell.trading.brokers import Account, BrokerError, PlacedOrder, Position
from openbell.trading.cash_entries import CashEntry
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.reconciliation import Difference, reconcile
from tests.fake_trading import FakeBroker

NOW = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)
SPLIT = CorporateAction("AAPL", date(2026, 2, 20), Decimal(10))
RENAME = CorporateAction("FB", date(2026, 2, 20), named="META")


@dataclass
class ABroker(FakeBroker):
    """A broker whose books are set by hand."""

    held: dict[str, float] = field(default_factory=dict)
    orders: dict[str, PlacedOrder] = field(default_factory=dict)
    asked: int = 0
    after_asking: dict[str, float] = field(default_factory=dict)  # what is held from the second question on

    def account(self) -> Account:
        """Return some cash."""
        return Account(1.0, "USD")

    def positions(self) -> dict[str, Position]:
        """Return what is held."""
        self.asked += 1
        held = self.held
        self.held = self.after_asking or self.held
        return {symbol: Position(symbol, quantity, 1.0) for symbol, quantity in held.items()}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return an order."""
        return self.orders.get(client_order_id)

    def cancel(self, client_order_id: str) -> None:
        """Cancel none."""
        raise AssertionError


@dataclass
class ATellingBroker(ABroker):
    """A broker that tells of splits, renames and dividends."""

    cash_entries_every = timedelta(0)
    actions: list[CorporateAction] = field(default_factory=list)
    entries: list[CashEntry] = field(default_factory=list)
    asked_about: list[tuple[list[str], date]] = field(default_factory=list)
    is_down: bool = False

    def corporate_actions(self, symbols: Iterable[str], since: date) -> list[CorporateAction]:
        """Return them."""
        self.asked_about.append((list(symbols), since))
        if self.is_down:
            msg = "it does not answer"
            raise BrokerError(msg)
        return self.actions

    def cash_entries(self, since: date) -> list[CashEntry]:
        """Return them."""
        return self.entries


@dataclass
class Desk:
    """A ledger, a journal and a broker."""

    ledger: Ledger
    journal: Journal
    broker: ABroker = field(default_factory=ABroker)

    def look(self, symbols: Iterable[str] = ("AAPL",), now: datetime = NOW, boot: str = "boot") -> list[Difference]:
        """Reconcile."""
        return reconcile("a broker", self.broker, self.ledger, symbols, self.journal, now, boot)

    def lines(self) -> list[dict[str, object]]:
        """Return what the journal says, without what every line has."""
        plain = {"v", "strategy", "boot_id", "seq", "timestamp"}
        lines = since(self.journal.folder, NOW.date())
        return [{name: value for name, value in line.items() if name not in plain} for line in lines]

    def told(self) -> list[tuple[object, object]]:
        """Return the levels and differences that the journal has."""
        return [(line["level"], line["differences"]) for line in self.lines() if line["event"] == "reconciled"]


@dataclass
class TellingDesk(Desk):
    """A desk whose broker tells of splits, renames and dividends."""

    broker: ATellingBroker = field(default_factory=ATellingBroker)


def intend(
    ledger: Ledger, name: str, side: str, quantity: float, symbol: str = "AAPL", status: str = "accepted"
) -> None:
    """Let an order wait."""
    ledger.intend(OrderRecord(name, "b", NOW, symbol, side, "", quantity), NOW)
    ledger.settle(name, status, "o")
