"""Risk limits: whether an order keeps within what the manifest allows. Pure: what it is judged by is handed in.

An exit, which takes nothing but what is held, passes all of them: no limit keeps a position from being closed.
"""

import math

from openbell.manifest import Limits
from openbell.records import dataclass
from openbell.trading.orders import Order


@dataclass(frozen=True)
class Exposure:
    """What an order is judged by; None where it is not known because no limit asks for it."""

    price: float | None = None  # of one unit
    held: float = 0.0  # of the symbol, below zero if short, with all that is on its way
    orders_today: int = 0
    loss_today: float = 0.0  # of equity, above zero if it has fallen
    cash: float | None = None  # of the strategy's share


def refusal(limits: Limits, order: Order, exposure: Exposure) -> str:
    """Return which limit `order` is beyond, with the figures, or an empty string. A figure that is not a number passes nothing."""
    if order.is_exit:
        return ""
    if limits.allowed_symbols is not None and order.symbol not in limits.allowed_symbols:
        return f"allowed_symbols: {order.symbol} is not one of {', '.join(limits.allowed_symbols) or 'none'}"
    if limits.max_orders_per_day is not None and exposure.orders_today >= limits.max_orders_per_day:
        return f"max_orders_per_day: {exposure.orders_today} orders were sent today, and {limits.max_orders_per_day} are allowed"
    if exposure.price is not None and not is_usable(exposure.price):
        return f"no usable price: the market says {exposure.price} for {order.symbol}"
    if limits.max_daily_loss is not None:
        if not math.isfinite(exposure.loss_today):
            return f"max_daily_loss: today's loss is not known (the account says {exposure.loss_today})"
        if exposure.loss_today > limits.max_daily_loss:
            return f"max_daily_loss: {exposure.loss_today:,.2f} was lost today, and {limits.max_daily_loss:,.2f} is allowed"
    return _by_value(limits, order, exposure)


def _by_value(limits: Limits, order: Order, exposure: Exposure) -> str:
    price = exposure.price or 0.0
    value = order.quantity * price
    if limits.max_order_value is not None and not value <= limits.max_order_value:
        return f"max_order_value: the order is worth {value:,.2f}, and {limits.max_order_value:,.2f} is allowed"
    worth = abs(exposure.held + (order.quantity if order.side == "buy" else -order.quantity)) * price
    if limits.max_position is not None and not worth <= limits.max_position:
        return f"max_position: {order.symbol} would be worth {worth:,.2f}, and {limits.max_position:,.2f} is allowed"
    if exposure.cash is not None and order.side == "buy" and not value <= exposure.cash:
        return f"capital: the order is worth {value:,.2f}, and {exposure.cash:,.2f} of the strategy's share is left"
    return ""


def is_usable(price: float) -> bool:
    """Tell whether a price can be one: a number above zero."""
    return math.isfinite(price) and price > 0
