"""Quantities that a market takes: whole steps, and not less than its smallest order. Pure, and the only place that rounds."""

from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal, localcontext
from typing import Protocol, cast

from openbell.position import ZERO, decimal

NANO = Decimal("0.000000001")  # the step of a market that names none


@dataclass(frozen=True)
class SizeRules:
    """What a market says of the quantity of one symbol's orders."""

    step: Decimal = NANO
    smallest: Decimal = ZERO  # in units
    smallest_value: Decimal = ZERO  # in the quote currency

    def rounded(self, quantity: Decimal) -> Decimal:
        """Return the quantity in whole steps, never more than it was."""
        with localcontext() as context:
            context.prec = 60  # the quotient of a large quantity by a small step
            whole = (quantity / self.step).to_integral_value(ROUND_DOWN) * self.step
            return whole.quantize(NANO * NANO).normalize() + ZERO

    def is_too_small(self, quantity: Decimal, price: Decimal) -> bool:
        """Tell whether no order of this quantity can be sent at about this price."""
        whole = self.rounded(abs(quantity))
        return not whole or whole < self.smallest or whole * price < self.smallest_value


class HasSizes(Protocol):
    """A broker that knows its market's steps."""

    def sizes(self, symbol: str) -> SizeRules:
        """Return the rules of a symbol; BrokerError if they cannot be had."""
        ...


def sizes_of(broker: object, symbol: str) -> SizeRules:
    """Return a broker's rules; those of a billionth for a broker that has none, such as one of the user's own."""
    return cast("HasSizes", broker).sizes(symbol) if hasattr(broker, "sizes") else SizeRules()


def as_decimal(quantity: float) -> Decimal:
    """Return a quantity as the decimal that it was written as, without what binary fractions add beyond 15 digits."""
    return decimal(float(f"{quantity:.15g}"))
