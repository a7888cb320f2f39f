"""A strategy that holds a position, on a market and at a broker of the tests."""

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.journal import Event, Journal, since
from openbell.ledger import Ledger
from openbell.manifest import Bot, Manifest, Schedule
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading.brokers import Account, Order, PlacedOrder, Position
from openbell.trading.markets import Bar, Bars
from openbell.trading.order_size import SizeRules
from tests.fake_trading import FakeBroker, FakeMarket

SLOT = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
SYMBOL = "BTC/USDT"
BOT = Bot("demo", "b", (SYMBOL,), Schedule("UTC", every=timedelta(minutes=15)))
MANIFEST = Manifest("demo", "", "UTC", None, "own", "own", (), "warm", 8, (BOT,))
BINANCE = SizeRules(Decimal("0.00001"), Decimal("0.00001"), Decimal(5))


@dataclass
class AMarket(FakeMarket):
    """A market with one price, and bars that may lack figures."""

    dollars: float = 50_000.0
    closes: list[float] = field(default_factory=lambda: [50_000.0] * 3)
    asked: int = 0

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return a bar for each close, the newest of now."""
        first = at - timedelta(minutes=15) * (len(self.closes) - 1)
        times = [first + timedelta(minutes=15) * step for step in range(len(self.closes))]
        return Bars(Bar(at, close, close, close, close, 1.0) for at, close in zip(times, self.closes, strict=True))

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        self.asked += 1
        return self.dollars

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return the source."""
        return {"source": "a market"}


@dataclass
class ABroker(FakeBroker):
    """A venue that keeps its fee in the coin, as Binance does, and can leave orders unfilled."""

    market: AMarket
    rules: SizeRules = BINANCE
    fee: float = 0.0
    fills: bool = True
    held: dict[str, float] = field(default_factory=dict)
    sent: list[Order] = field(default_factory=list)
    money: Account = field(default_factory=lambda: Account(100_000.0, "USDT"))

    def account(self) -> Account:
        """Return the account."""
        return self.money

    def positions(self) -> dict[str, Position]:
        """Return what the account holds."""
        return {symbol: Position(symbol, held, 0.0) for symbol, held in self.held.items() if held}

    def sizes(self, symbol: str) -> SizeRules:
        """Return the venue's steps."""
        return self.rules

    def submit(self, order: Order) -> PlacedOrder:
        """Fill an order, or let it wait."""
        self.sent.append(order)
        named = (order.client_order_id, order.symbol, order.side, order.quantity)
        if not self.fills:
            return PlacedOrder("o", *named, "accepted", 0.0, None, SLOT, "")
        fee = order.quantity * self.fee if order.side == "buy" else 0.0
        sign = 1 if order.side == "buy" else -1
        self.held[order.symbol] = self.held.get(order.symbol, 0.0) + sign * order.quantity - fee
        return PlacedOrder("o", *named, "filled", order.quantity, self.market.dollars, SLOT, "", fee)


@dataclass
class Desk:
    """What the runs of one bot share."""

    ledger: Ledger
    journal: Journal
    market: AMarket
    broker: ABroker
    halt: str = ""
    exits_pass: bool = False
    slots: int = 0

    def context(self, bot: Bot = BOT, **changes: object) -> Context:
        """Return the context of the next slot's run."""
        self.slots += 1
        manifest = replace(MANIFEST, **changes)  # type: ignore[arg-type]
        run = Run(bot, SLOT + timedelta(minutes=15) * self.slots, f"r{self.slots}", 1)
        return Context(
            RunProgress(
                ContextServices(
                    manifest, self.market, self.broker, self.ledger, self.journal, lambda: SLOT, self.halted
                ),
                run,
            )
        )

    def halted(self, *, is_exit: bool = False) -> str:
        """Return why no order may be sent."""
        return "" if is_exit and self.exits_pass else self.halt

    def lines(self, event: str) -> list[Event]:
        """Return the journal's lines of one event."""
        return [line for line in since(self.journal.folder, SLOT.date()) if line["event"] == event]

    def buys(self, quantity: float) -> None:
        """Let the bot buy."""
        assert self.context().order(SYMBOL, "buy", quantity, reason="up").status == "filled"


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new desk."""
    journal, market = Journal(tmp_path, "demo", "boot", echo=False), AMarket()
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger, journal, market, ABroker(market))
    journal.close()
