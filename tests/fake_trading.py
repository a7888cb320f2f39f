"""The plainest market and broker, of which tests change what they are about."""

from datetime import datetime

from openbell.trading.brokers import Account, Order, PlacedOrder, Position
from openbell.trading.markets import Bars, MarketError, Series


class FakeMarket:
    """A market without bars and series, in which everything costs a dollar."""

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Return none."""
        return Bars()

    def price(self, symbol: str, at: datetime) -> float:
        """Return a dollar."""
        return 1.0

    def series(self, name: str, count: int, at: datetime) -> Series:
        """Have none."""
        raise MarketError(name)

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return nothing."""
        return {}


class FakeBroker:
    """A broker with a thousand dollars that holds nothing, knows no order and takes none."""

    def account(self) -> Account:
        """Return the cash."""
        return Account(1000.0, "USD")

    def positions(self) -> dict[str, Position]:
        """Return none."""
        return {}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Know nothing."""
        return None

    def submit(self, order: Order) -> PlacedOrder:
        """Take none."""
        raise AssertionError

    def cancel(self, client_order_id: str) -> None:
        """Do nothing."""
