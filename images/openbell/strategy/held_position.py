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

    __slots__ = ("_is_dust", "_position", "_price")
    _position: Position
    _price: Callable[[], float]
    _is_dust: bool

    def __new__(cls, position: Position, price: Callable[[], float], *, is_dust: bool) -> Self:
        """Make the number; price: asks the market for the newest price."""
        made = super().__new__(cls, 0.0 if is_dust else float(position.quantity))
        made._position = position
        made._price = price
        made._is_dust = is_dust
        return made

    @property
    def average_price(self) -> float:
        """Return what one unit cost; 0.0 where nothing is held."""
        return 0.0 if self._is_dust else float(self._position.average_price)

    @property
    def since(self) -> datetime | None:
        """Return when it was opened; None while it is flat."""
        return None if self._is_dust else self._position.since

    @property
    def realised_profit(self) -> float:
        """Return what closed parts have earned."""
        return float(self._position.realised)

    @property
    def rest(self) -> float:
        """Return how much is held that is too little for an order."""
        return float(self._position.quantity) if self._is_dust else 0.0

    @property
    def quantity(self) -> float:
        """Return the bare number of units."""
        return float(self)

    @property
    def unrealised_profit(self) -> float:
        """Return what closing it at the newest price would earn, in the quote currency."""
        return self.quantity * (self._price() - self.average_price) if self else 0.0
