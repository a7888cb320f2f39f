"""The arithmetic of an account that fills orders itself: what a fill makes of cash and of a position. Pure, and exact."""

from decimal import ROUND_DOWN, ROUND_UP, Context, Decimal

from openbell.position import ZERO
from openbell.records import dataclass, replace

MONEY = Decimal("0.000000000001")
EXACT = Context(prec=1000)  # holds the product of any two floats, so only the explicit quantize calls round
_CENT = Decimal("0.01")


@dataclass(frozen=True)
class Holding:
    """What is held of one symbol and what it cost; both are below zero if it was sold short."""

    quantity: Decimal = ZERO
    cost: Decimal = ZERO


def refusal(symbol: str, side: str, quantity: Decimal, amount: Decimal, cash: Decimal, held: Decimal, *, short: bool) -> str:  # fmt: skip
    """Return why a fill cannot be, or an empty string. amount: what is paid, or received, with all costs."""
    if side == "buy" and amount > cash:
        return f"insufficient cash: needs {amount.quantize(_CENT, ROUND_UP, EXACT)}, has {cash.quantize(_CENT, ROUND_DOWN, EXACT)}"
    if side == "sell" and quantity > held and not short:
        return f"insufficient position: needs {plain(quantity)} {symbol}, has {plain(held)}"
    return ""


def after_fill(holding: Holding, side: str, quantity: Decimal, amount: Decimal) -> Holding:
    """Return the holding after a fill; what is left of it keeps its average price."""
    change = quantity if side == "buy" else -quantity
    held = holding.quantity + change
    if not held:
        return Holding()
    if holding.quantity * change >= 0:
        return Holding(held, holding.cost + (amount if side == "buy" else -amount))
    if held * holding.quantity > 0:
        return Holding(held, (holding.cost * held / holding.quantity).quantize(MONEY, context=EXACT))
    # It went through zero: what lies beyond cost the price of this fill.
    return replace(holding, quantity=held, cost=(amount / quantity * held).quantize(MONEY, context=EXACT))


def plain(quantity: Decimal) -> str:
    """Return a quantity without an exponent."""
    return f"{quantity.normalize():f}"
