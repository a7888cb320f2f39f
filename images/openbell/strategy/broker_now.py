"""The broker of a stream: opened anew for each question, since a stream outlives the instant at which it began."""

from collections.abc import Callable, Collection
from datetime import datetime
from typing import cast

from openbell.trading.brokers import Account, Broker, BrokerError, CanReplace, Order, PlacedOrder, Position
from openbell.trading.order_size import SizeRules, sizes_of


class BrokerNow:
    """A broker that is asked about the present each time."""

    def __init__(self, open_at: Callable[[datetime], Broker], clock: Callable[[], datetime]) -> None:
        self._open_at = open_at
        self._clock = clock

    def account(self) -> Account:
        """Return the account as it is now."""
        return self._open_at(self._clock()).account()

    def positions(self) -> dict[str, Position]:
        """Return the open positions by symbol."""
        return self._open_at(self._clock()).positions()

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id, or None if it never arrived."""
        return self._open_at(self._clock()).find(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Place an order now, at the price of now."""
        return self._open_at(self._clock()).submit(order)

    @property
    def finds_every_order(self) -> bool:
        """Tell whether an order that is not found never arrived."""
        return getattr(self._open_at(self._clock()), "finds_every_order", True)

    def sizes(self, symbol: str) -> SizeRules:
        """Return the rules for quantities of a symbol."""
        return sizes_of(self._open_at(self._clock()), symbol)

    def cancel(self, client_order_id: str) -> None:
        """Cancel the order of that id."""
        self._open_at(self._clock()).cancel(client_order_id)

    def replace(self, order: Order) -> PlacedOrder:
        """Give an order that waits other terms and another quantity."""
        broker = self._open_at(self._clock())
        if not hasattr(broker, "replace"):
            msg = "this broker cannot change an order: cancel it, and send another one"
            raise BrokerError(msg)
        placed: PlacedOrder = cast("CanReplace", broker).replace(order)
        return placed

    @property
    def abilities(self) -> Collection[str] | None:
        """Return what a broker of the user's own says that it can do."""
        found: Collection[str] | None = getattr(self._open_at(self._clock()), "abilities", None)
        return found
