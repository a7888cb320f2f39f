"""Quantities and prices that a market takes: whole steps, and not less than its smallest order. Pure, and the only place that rounds."""

from decimal import ROUND_DOWN, ROUND_HALF_EVEN, ROUND_UP, Decimal, localcontext
from functools import cache, lru_cache
from typing import Protocol, cast, runtime_checkable

from openbell.order_terms import Terms
from openbell.position import ZERO, decimal
from openbell.records import dataclass, replace

NANO = Decimal("0.000000001")  # the step of a market that names none


@dataclass(frozen=True)
class SizeRules:
    """What a market says of the quantity of one symbol's orders."""

    step: Decimal = NANO
    smallest: Decimal = ZERO  # in units
    smallest_value: Decimal = ZERO  # in the quote currency
    tick: Decimal = ZERO  # of a price; 0 takes every price
    tick_below_one: Decimal = ZERO  # of a price below 1, where it differs

    def rounded(self, quantity: Decimal) -> Decimal:
        """Return the quantity in whole steps, never more than it was."""
        return _rounded(quantity, self.step)

    def price(self, price: float, direction: str) -> float:
        """Return a price in whole ticks. direction: ROUND_DOWN, ROUND_UP or ROUND_HALF_EVEN."""
        tick = self.tick_below_one if price < 1 and self.tick_below_one else self.tick
        if not tick:
            return price
        with localcontext() as context:
            context.prec = 60
            ticks = (as_decimal(price) / tick).to_integral_value(direction)
            return float(max(ticks, Decimal(1)) * tick)

    def is_too_small(self, quantity: Decimal, price: Decimal) -> bool:
        """Tell whether no order of this quantity can be sent at about this price."""
        whole = self.rounded(abs(quantity))
        return not whole or whole < self.smallest or whole * price < self.smallest_value


@lru_cache(maxsize=256)  # a position is asked for at each run, and seldom changes
def _rounded(quantity: Decimal, step: Decimal) -> Decimal:
    with localcontext() as context:
        context.prec = 60  # the quotient of a large quantity by a small step
        whole = (quantity / step).to_integral_value(ROUND_DOWN) * step
        return whole.quantize(NANO * NANO).normalize() + ZERO


def priced(terms: Terms, side: str, rules: SizeRules) -> Terms:
    """Return terms with prices in whole ticks: a limit no worse than it was wanted, a stop the nearest."""
    if not rules.tick and not rules.tick_below_one:
        return terms

    def near(price: float | None, direction: str = ROUND_HALF_EVEN) -> float | None:
        return None if price is None else rules.price(price, direction)

    better = ROUND_DOWN if side == "buy" else ROUND_UP
    return replace(
        terms,
        limit=near(terms.limit, better),
        stop=near(terms.stop),
        trail=near(terms.trail),
        take_profit=near(terms.take_profit),
        stop_loss=near(terms.stop_loss),
    )


@runtime_checkable
class HasSizes(Protocol):
    """A broker that knows its market's steps."""

    def sizes(self, symbol: str) -> SizeRules:
        """Return the rules of a symbol; BrokerError if they cannot be had."""
        ...


def sizes_of(broker: object, symbol: str) -> SizeRules:
    """Return a broker's rules; those of a billionth for a broker that has none, such as one of the user's own."""
    return cast("HasSizes", broker).sizes(symbol) if _has_sizes(type(broker)) else _BILLIONTH  # type: ignore[arg-type]


_BILLIONTH = SizeRules()


@cache  # a protocol looks at each of its members, and a position is asked for at each run
def _has_sizes(kind: type) -> bool:
    return issubclass(kind, HasSizes)


def as_decimal(quantity: float) -> Decimal:
    """Return a quantity as the decimal that it was written as, without what binary fractions add beyond 15 digits."""
    return decimal(float(f"{quantity:.15g}"))
