"""Places to send orders: the protocol that a run meets, and `open_broker` that opens one by its name.

Quantities are in units of the symbol (shares, coins), prices and cash in the account's currency. A client_order_id
names an order for ever: submitted twice it is one order, so an attempt may repeat what an earlier one already did.
"""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Protocol

from openbell.market import Market


@dataclass(frozen=True)
class Order:
    """What a strategy wants: to buy or sell a quantity of a symbol at the next price."""

    client_order_id: str
    symbol: str
    side: str  # "buy" or "sell"
    quantity: float  # above zero


@dataclass(frozen=True)
class PlacedOrder:
    """What the broker made of an order."""

    order_id: str
    client_order_id: str
    symbol: str
    side: str
    quantity: float
    status: str  # "filled", "rejected" or what else the broker says
    filled_quantity: float
    filled_price: float | None  # the average; None while nothing is filled
    placed_at: datetime  # aware UTC
    reason: str  # why it was rejected, else empty


@dataclass(frozen=True)
class Position:
    """What is held of one symbol, and what it cost on average."""

    symbol: str
    quantity: float
    average_price: float


@dataclass(frozen=True)
class Account:
    """The money that is not in positions."""

    cash: float
    currency: str


class BrokerError(Exception):
    """The broker could not do what it was asked, and did nothing; its text is one line. A rejected order is not one."""


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


def open_broker(name: str, folder: Path, market: Market, at: datetime) -> Broker:
    """Return the broker that manifests call `name`, for one run; BrokerError if there is none of that name.

    `folder` is where the strategy's state is kept (made when it is needed), `market` gives the prices, and `at` (aware
    UTC) is the instant at which the run's orders are placed.
    """
    match name:
        case "paper":
            from openbell.brokers.paper import PaperBroker  # noqa: PLC0415 - only what the strategy uses is loaded

            return PaperBroker(folder, market, at)
    msg = f'no broker is called "{name}"; there is: paper'
    raise BrokerError(msg)
