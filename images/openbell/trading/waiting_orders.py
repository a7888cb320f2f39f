"""What the orders of a bot that wait can still do to its position. Pure."""

from collections.abc import Iterable
from decimal import Decimal

from openbell.ledger import OrderRecord
from openbell.order_terms import leg_of
from openbell.position import ZERO, decimal


def left_to_fill(waiting: Iterable[OrderRecord], side: str, *, with_uncertain: bool = False) -> Decimal:
    """Return how much orders of a side may still fill. Of orders of which one cancels the other, one counts.

    The legs of a bracket count as far as its entry has filled. with_uncertain: also orders that may never have arrived.
    """
    orders = {one.client_order_id: one for one in waiting}
    groups: dict[str, Decimal] = {}
    for name, one in orders.items():
        if one.side != side or (one.status == "uncertain" and not with_uncertain):
            continue
        parent, _ = leg_of(name)
        left = decimal(one.left)
        entry = orders.get(parent)
        if entry is not None and entry.side != side:
            left = min(left, decimal(entry.filled))
        group = parent or name
        groups[group] = max(groups.get(group, ZERO), left)
    return sum(groups.values(), ZERO)
