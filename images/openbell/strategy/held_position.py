"""What `ctx.position(symbol)` returns: a number of units that also knows what they cost and earned."""

from collections.abc import Callable
from datetime import datetime
from typing import Self

from openbell.position import Position


class HeldPosition(float):
    """A bot's own position in one symbol: a float of units, below zero if short, 0.0 if there is none that can be traded.

    average_price: what one unit cost, fees taken in the coin included. since: when it was opened, None while it is flat.
    realised_profit: what its closed parts have earned, in the quote currency. rest: units that are held, but too few for an
    order; they are added to the next sale.
    """

    average_price: float
    since: datetime | None
    realised_profit: float
    rest: float
    _price: Callable[[], float]

    def __new__(cls, position: Position, price: Callable[[], float], *, is_dust: bool) -> Self:
        """Make the number; price: asks the market for the newest price."""
        made = super().__new__(cls, 0.0 if is_dust else float(position.quantity))
        made.average_price = 0.0 if is_dust else float(position.average_price)
        made.since = None if is_dust else position.since
        made.realised_profit = float(position.realised)
        made.rest = float(position.quantity) if is_dust else 0.0
        made._price = price
        return made

    @property
    def quantity(self) -> float:
        """Return the bare number of units."""
        return float(self)

    @property
    def unrealised_profit(self) -> float:
        """Return what closing it at the newest price would earn, in the quote currency."""
        return self.quantity * (self._price() - self.average_price) if self else 0.0
