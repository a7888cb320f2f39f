"""One bot's order checks, with a market and a broker that are set by hand."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from openbell.ledger import Ledger, OrderRecord
from openbell.manifest import Bot, Limits, Manifest, Schedule
from openbell.order_terms import MARKET, Terms
from openbell.trading.brokers import Account, BrokerError, Order, Position
from openbell.trading.markets import Bars, MarketError
from openbell.trading.order_checks import CheckedOrder, OrderChecks
from openbell.trading.order_size import SizeRules
from tests.fake_trading import FakeBroker, FakeMarket

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)  # 10:00 in New York
DAY = timedelta(days=1)
COIN, SHARE = "BTC/USDT", "AAPL"
TICKS = SizeRules(Decimal("0.001"), Decimal("0.001"), Decimal(5), tick=Decimal("0.5"))
SHORT = Limits(short=True)
BRACKET = Terms(take_profit=110.0, stop_loss=90.0)
PAIR = Terms(limit=110.0, stop_loss=90.0, is_pair=True)


@dataclass
class AMarket(FakeMarket):
    """A market with prices by symbol, which remembers the instants that it was asked for; without a price it is down."""

    prices: dict[str, float] = field(default_factory=lambda: {COIN: 100.0, SHARE: 100.0})
    asked: list[datetime] = field(default_factory=list)
    told: dict[str, str] = field(default_factory=dict)

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Have none."""
        raise MarketError(symbol)

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        self.asked.append(at.astimezone(UTC))
        if symbol not in self.prices:
            raise MarketError(symbol)
        return self.prices[symbol]

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return what is known of the source."""
        return self.told if at.tzinfo else {}


@dataclass
class ABroker(FakeBroker):
    """A broker whose account is set by hand; it takes no orders."""

    held: dict[str, float] = field(default_factory=dict)
    money: Account = field(default_factory=lambda: Account(1_000.0, "USDT"))
    rules: dict[str, SizeRules] = field(default_factory=lambda: {COIN: TICKS})
    abilities: Sequence[str] = ("market", "limit", "bracket", "pair", "replace")
    is_down: bool = False

    def account(self) -> Account:
        """Return the account."""
        if self.is_down:
            msg = "no answer"
            raise BrokerError(msg)
        return self.money

    def positions(self) -> dict[str, Position]:
        """Return what the account holds."""
        return {symbol: Position(symbol, quantity, 1.0) for symbol, quantity in self.held.items()}

    def sizes(self, symbol: str) -> SizeRules:
        """Return the steps of a symbol."""
        return self.rules.get(symbol, SizeRules())

    def cancel(self, client_order_id: str) -> None:
        """Cancel none."""
        raise AssertionError


@dataclass
class Desk:
    """One bot's checks."""

    ledger: Ledger
    market: AMarket = field(default_factory=AMarket)
    broker: ABroker = field(default_factory=ABroker)
    halts: list[str] = field(default_factory=list)  # one for each question; then no halt
    asked_for_exit: list[bool] = field(default_factory=list)
    number: int = 0

    def halted(self, *, is_exit: bool = False) -> str:
        """Return the next halt."""
        self.asked_for_exit.append(is_exit)
        return self.halts.pop(0) if self.halts else ""

    def checks(self, symbols: tuple[str, ...] = (COIN,), calendar: str | None = None, **changes: object) -> OrderChecks:
        """Return the checks of a manifest that differs in `changes`."""
        bot = Bot("demo", "b", symbols, Schedule("UTC", calendar, every=timedelta(minutes=15)))
        manifest = Manifest("demo", "", "America/New_York", calendar, "own", "own", (), "warm", 8, (bot,))
        manifest = replace(manifest, **changes)  # type: ignore[arg-type]
        return OrderChecks(manifest, bot, self.market, self.broker, self.ledger, self.halted)

    def waits(self, side: str, quantity: float, symbol: str = COIN, named: str = "", **changes: object) -> str:
        """Let an order wait, and return its id. bot, terms, status, filled: as in the ledger; at: when it was sent."""
        self.number += 1
        named = named or f"w{self.number}"
        given = {"bot": "b", "terms": MARKET, "status": "accepted", "filled": 0.0, "at": NOW, **changes}
        record = OrderRecord(named, str(given["bot"]), NOW, symbol, side, "", quantity, terms=given["terms"])  # type: ignore[arg-type]
        self.ledger.intend(record, given["at"])  # type: ignore[arg-type]
        self.ledger.settle(named, str(given["status"]), "o", given["filled"], 100.0, now=NOW)  # type: ignore[arg-type]
        return named

    def holds(self, quantity: float, symbol: str = COIN, bot: str = "b") -> None:
        """Let a bot's orders have made a position."""
        self.waits(
            "buy" if quantity > 0 else "sell", abs(quantity), symbol, bot=bot, status="filled", filled=abs(quantity)
        )


def judged(checks: OrderChecks, side: str, quantity: float, symbol: str = COIN, **changes: object) -> CheckedOrder:
    """Judge an order."""
    order = Order("ob-1", symbol, side, quantity)
    return checks.judge(replace(order, **changes), NOW, NOW)  # type: ignore[arg-type]
