"""Places to send orders: the protocol that a run meets.

Quantities are in units of the symbol (shares, coins), prices and cash in the account's currency. A client_order_id
names an order for ever: submitted twice it is one order, so an attempt may repeat what an earlier one already did.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Protocol, runtime_checkable

from openbell.order_terms import FINAL as FINAL
from openbell.records import dataclass, field
from openbell.trading.errors import BrokerError as BrokerError
from openbell.trading.errors import NotSentError as NotSentError
from openbell.trading.errors import OrderRefusedError as OrderRefusedError
from openbell.trading.orders import Order as Order
from openbell.trading.orders import PlacedOrder as PlacedOrder


@dataclass(frozen=True)
class Position:
    """What is held of one symbol, and what it cost on average."""

    symbol: str
    quantity: float
    average_price: float  # 0 where the broker does not say
    price: float | None = None  # the newest, where the broker says


@dataclass(frozen=True)
class Account:
    """The money that is not in positions, and what all of it is worth."""

    cash: float
    currency: str
    equity: float | None = None  # cash and positions, where the broker says
    balances: Mapping[str, float] = field(
        default_factory=lambda: MappingProxyType({})
    )  # cash by currency, if there are several
    buying_power: float | None = None  # where the broker lends

    def cash_in(self, currency: str) -> float:
        """Return the cash in one currency."""
        return self.balances.get(currency, self.cash if currency in {"", self.currency} else 0.0)


class Broker(Protocol):
    """Where orders go. Every method raises BrokerError if the broker cannot be reached."""

    def account(self) -> Account:
        """Return the account as it is now."""
        ...

    def positions(self) -> dict[str, Position]:
        """Return the open positions by symbol; a symbol of which nothing is held is not in it."""
        ...

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id, or None if it never arrived."""
        ...

    def submit(self, order: Order) -> PlacedOrder:
        """Place `order` and return what became of it; an id that is known already returns the first order as it was."""
        ...

    def cancel(self, client_order_id: str) -> None:
        """Cancel the order of that id; BrokerError if there is none or it is done already."""
        ...


@runtime_checkable
class CanReplace(Protocol):
    """A broker that can change an order that waits."""

    def replace(self, order: Order) -> PlacedOrder:
        """Give the order of that id another quantity in all and other terms; BrokerError if it is done already."""
        ...
