"""A run of a strategy, with a market and a broker of the tests."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Event, Journal, since
from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest, Schedule
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers import Account, BrokerError, Order, PlacedOrder, Position
from openbell.trading.markets import Bar, Bars
from tests.fake_trading import FakeBroker, FakeMarket

SLOT = datetime(2026, 3, 2, 14, 35, tzinfo=UTC)
BOT = Bot("demo", "b", ("AAPL", "IBM"), Schedule("America/New_York", every=timedelta(minutes=5)), {"window": 20})
MANIFEST = Manifest("demo", "", "America/New_York", None, "sample", "paper", ("API_KEY",), "warm", 8, (BOT,))
RUN = Run(BOT, SLOT, "r1", 1)


class ADollarMarket(FakeMarket):
    """A market in which everything costs a dollar."""

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return bars that tell what was asked."""
        return Bars([Bar(at, 1.0, 1.0, 1.0, 1.0, float(count))])

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return what every line of the run carries."""
        return {"source": "dollars"}


@dataclass
class ABroker(FakeBroker):
    """A broker that can be told to fail before or after an order has arrived."""

    lost: str = ""  # "request" or "answer": what gets lost on the way
    status: str = "filled"
    placed: dict[str, PlacedOrder] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)

    def account(self) -> Account:
        """Return some cash."""
        return Account(5_000.0, "USD")

    def positions(self) -> dict[str, Position]:
        """Return one position."""
        return {"AAPL": Position("AAPL", 3.0, 1.0)}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order if it has arrived."""
        return self.placed.get(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Take an order."""
        if self.lost == "request":
            msg = "no connection"
            raise BrokerError(msg)
        self.submitted.append(order.client_order_id)
        filled, reason = (order.quantity, "") if self.status == "filled" else (0.0, "no such symbol")
        placed = PlacedOrder(
            f"o-{len(self.submitted)}", order.client_order_id, order.symbol, order.side, order.quantity, self.status, filled, 1.0, SLOT, reason
        )  # fmt: skip
        self.placed.setdefault(order.client_order_id, placed)
        if self.lost == "answer":
            msg = "connection lost"
            raise BrokerError(msg)
        return self.placed[order.client_order_id]


@dataclass
class Desk:
    """A ledger, a journal and a broker that several attempts of one slot share."""

    ledger: Ledger
    journal: Journal
    broker: ABroker = field(default_factory=ABroker)

    def context(self, attempt: int = 1, slot: datetime = SLOT) -> Context:
        """Return the context of an attempt."""
        run = RUN._replace(attempt=attempt, slot=slot)
        return Context(
            RunProgress(
                ContextServices(MANIFEST, ADollarMarket(), self.broker, self.ledger, self.journal, lambda: SLOT), run
            )
        )

    def lines(self, event: str = "") -> list[Event]:
        """Return the journal's lines, or those of one event."""
        return [line for line in since(self.journal.folder, SLOT.date()) if event in {"", line["event"]}]


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new desk."""
    journal = Journal(tmp_path, "demo", "boot", echo=False)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger, journal)
    journal.close()
