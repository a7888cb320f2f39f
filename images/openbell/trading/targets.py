"""From wanted positions to orders: differences to what is held and waiting, sales first, never beyond the cash. Pure."""

from collections.abc import Iterable, Mapping
from decimal import Decimal

from openbell.costs import FREE, Costs
from openbell.position import ZERO
from openbell.records import dataclass
from openbell.trading.order_size import SizeRules

CUSHION = Decimal("0.005")  # of what is bought: prices move before an order fills
TRIES = 8


@dataclass(frozen=True)
class TargetOrder:
    """What is wanted of one symbol, and what there is of it. Quantities are below zero if short."""

    symbol: str
    target: Decimal
    held: Decimal
    waiting: Decimal  # what open orders will add, below zero for what they will take
    price: Decimal
    rules: SizeRules

    @property
    def difference(self) -> Decimal:
        """Return what is to be bought (above zero) or sold."""
        return self.target - self.held - self.waiting


@dataclass(frozen=True)
class Trade:
    """An order that brings one symbol nearer to its target, or why there is none."""

    symbol: str
    side: str  # "buy" or "sell"; empty if there is no order
    quantity: Decimal
    reason: str  # why there is none, or why it is smaller than the difference
    told: Mapping[str, object]  # the arithmetic, for the journal


def sales(wanted: Iterable[TargetOrder], smallest: Decimal) -> list[Trade]:
    """Return what is to be sold. smallest: the value of a difference that is not worth an order, unless it closes a position."""
    return [_trade(one, one.difference, smallest) for one in wanted if one.difference < 0]


def purchases(wanted: Iterable[TargetOrder], smallest: Decimal, cash: Decimal, costs: Costs = FREE) -> list[Trade]:
    """Return what is to be bought with this cash: where it is short, each purchase is smaller by the same part."""
    buys = [one for one in wanted if one.difference >= 0]
    part = _payable(buys, max(ZERO, cash), costs)
    # What closes a short position is bought whole.
    return [_trade(one, one.difference * (part if one.target > 0 else 1), smallest, part) for one in buys]


def _payable(buys: Iterable[TargetOrder], cash: Decimal, costs: Costs) -> Decimal:
    """Return which part of all purchases the cash pays. A smallest commission makes a smaller order dearer, so it is tried again."""
    opening = [one for one in buys if one.target > 0]
    part = Decimal(1)
    for _ in range(TRIES):
        needed = sum((_paid(one, one.difference * part, costs) for one in opening), ZERO)
        if needed <= cash:
            break
        part *= cash / needed
    return part


def _paid(one: TargetOrder, quantity: Decimal, costs: Costs) -> Decimal:
    """Return the cash that a purchase may take."""
    amount = quantity * costs.slipped(one.price, "buy") * (1 + CUSHION)
    return amount + costs.commission_of(quantity, amount)


def _trade(one: TargetOrder, difference: Decimal, smallest: Decimal, part: Decimal = Decimal(1)) -> Trade:
    told: dict[str, object] = {
        "target_qty": float(one.target),
        "held_qty": float(one.held),
        "waiting_qty": float(one.waiting),
        "price": float(one.price),
    }
    quantity = one.rules.rounded(abs(difference))
    worth = abs(one.difference) * one.price
    if not one.difference:
        return Trade(one.symbol, "", ZERO, "at its target", told)
    if one.target and worth < smallest:
        return Trade(one.symbol, "", ZERO, f"within the tolerance: {worth:,.2f} of {smallest:,.2f}", told)
    if one.rules.is_too_small(quantity, one.price):
        why = "no cash is left for it" if part < 1 else "the difference is smaller than the market's smallest order"
        return Trade(one.symbol, "", ZERO, why, told)
    reason = f"cut to {part:.1%} by the cash" if part < 1 and one.target > 0 else ""
    return Trade(one.symbol, "buy" if difference > 0 else "sell", quantity, reason, told)
