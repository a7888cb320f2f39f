"""What orders that wait keep back of an account's cash and of what it holds: the same money is not promised twice. Pure.

A purchase keeps back what it may cost at its limit or stop, with its commission; a market order that waits for the open keeps
back nothing, since its price is not known. Of orders of which one cancels the other, one counts.
"""

from collections.abc import Iterable
from decimal import Decimal

from openbell.costs import Costs
from openbell.order_terms import Terms, leg_of
from openbell.position import ZERO, decimal
from openbell.trading import cash_account
from openbell.trading.orders import Order
from openbell.trading.price_comparison import Resting


def refusal(
    order: Order,
    price: float | None,
    resting: Iterable[Resting],
    costs: Costs,
    cash: Decimal,
    held: Decimal,
    *,
    short: bool,
) -> str:
    """Return why an order is not taken beside those that wait, or an empty string. price: of now, None if there is none."""
    waiting = [one for one in resting if not one.is_done]
    quantity = decimal(order.quantity)
    if order.side == "buy":
        kept = ZERO if order.is_exit else sum((_cost(one, costs) for one in waiting if _opens(one)), ZERO)
        at = _price(order.terms) or price
        if at is None:
            return ""
        amount = quantity * decimal(at)
        needed = amount + costs.commission_of(quantity, amount)
        reason = cash_account.refusal(order.symbol, "buy", quantity, needed, cash - kept, held, short=short)
        return f"{reason}; {kept:.2f} is kept back for orders that wait" if reason and kept else reason
    kept = _sold(one for one in waiting if one.order.symbol == order.symbol)
    reason = cash_account.refusal(order.symbol, "sell", quantity, ZERO, cash, held - kept, short=short)
    return f"{reason}; {cash_account.plain(kept)} is kept back for orders that wait" if reason and kept else reason


def _price(terms: Terms) -> float | None:
    return terms.limit if terms.limit is not None else terms.stop


def _opens(one: Resting) -> bool:
    """Tell whether an order buys what it does not only give back."""
    return one.order.side == "buy" and not one.order.is_exit


def _cost(one: Resting, costs: Costs) -> Decimal:
    price = _price(one.order.terms)
    if price is None:
        return ZERO
    amount = one.left * decimal(price)
    return amount + costs.commission_of(one.filled + one.left, one.value + amount, one.fee)


def _sold(waiting: Iterable[Resting]) -> Decimal:
    """Return how much of one symbol the sales among the orders that wait may still sell."""
    groups: dict[str, Decimal] = {}
    for one in waiting:
        if one.order.side == "sell":
            group = leg_of(one.order.client_order_id)[0] or one.order.client_order_id
            groups[group] = max(groups.get(group, ZERO), one.left)
    return sum(groups.values(), ZERO)
