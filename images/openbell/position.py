"""What a bot's own orders have made of one symbol: how much is held, what it cost, and what was earned. Pure arithmetic.

Quantities and money are Decimals: what is bought and sold again leaves nothing behind, as binary fractions would.
"""

from datetime import datetime
from decimal import Decimal

from openbell.records import dataclass, replace

ZERO = Decimal(0)
_RENEWS = Decimal("0.01")  # a rest below this share of a purchase does not date the position


@dataclass(frozen=True)
class Position:
    """One bot's position in one symbol. A short position has a quantity and a cost below zero."""

    bot: str
    symbol: str
    quantity: Decimal = ZERO
    cost: Decimal = ZERO  # of what is held, fees taken in the coin included
    since: datetime | None = None  # when it was opened, aware UTC
    realised: Decimal = ZERO  # profit of what was closed, in the quote currency

    @property
    def average_price(self) -> Decimal:
        """Return what one unit cost on average; zero where nothing is held."""
        return self.cost / self.quantity if self.quantity else ZERO


def after_fill(position: Position, change: Decimal, value: Decimal, at: datetime) -> Position:
    """Return the position after a fill.

    change: units that came (above zero) or went; value: what was paid (above zero) or received for them.
    """
    held = position.quantity
    if held * change >= 0:
        renewed = abs(held) <= abs(change) * _RENEWS
        since = at if renewed or position.since is None else position.since
        return Position(position.bot, position.symbol, held + change, position.cost + value, since, position.realised)
    closed = min(abs(change), abs(held))
    share, part = closed / abs(held), closed / abs(change)
    cost = position.cost * share
    rest, realised = held + change * part, position.realised - value * part - cost
    kept = (rest, position.cost - cost, position.since) if rest else (ZERO, ZERO, None)
    left = Position(position.bot, position.symbol, *kept, realised)
    if part == 1:
        return left
    return after_fill(left, change * (1 - part), value * (1 - part), at)


def after_adoption(position: Position, quantity: Decimal, at: datetime) -> Position:
    """Return the position with another quantity that a person has confirmed; the average price stays."""
    if not quantity:
        return replace(position, quantity=ZERO, cost=ZERO, since=None)
    since = position.since or at
    return replace(position, quantity=quantity, cost=position.average_price * quantity, since=since)


def after_split(position: Position, ratio: Decimal) -> Position:
    """Return the position after one unit has become `ratio` units; what it cost stays."""
    return replace(position, quantity=position.quantity * ratio)


def total(*numbers: float) -> float:
    """Return a sum of floats without what binary fractions add: 0.1 and 0.2 are 0.3."""
    return float(sum(map(decimal, numbers), ZERO))


def decimal(number: float) -> Decimal:
    """Return a float as the shortest decimal that stands for it."""
    return Decimal(repr(float(number)))
