"""Risk limits: whether an order keeps within what the manifest allows. Pure: what it is judged by is handed in."""

from dataclasses import dataclass

from openbell.manifest import Limits
from openbell.trading.brokers import Order


@dataclass(frozen=True)
class Exposure:
    """What an order is judged by; None where it is not known because no limit asks for it."""

    price: float = 0.0  # of one unit
    held: float = 0.0  # of the symbol, below zero if short, with all that is on its way
    orders_today: int = 0
    loss_today: float = 0.0  # of equity, above zero if it has fallen


def refusal(limits: Limits, order: Order, exposure: Exposure) -> str:
    """Return which limit `order` is beyond, with the figures, or an empty string."""
    if limits.allowed_symbols is not None and order.symbol not in limits.allowed_symbols:
        return f"allowed_symbols: {order.symbol} is not one of {', '.join(limits.allowed_symbols) or 'none'}"
    if limits.max_orders_per_day is not None and exposure.orders_today >= limits.max_orders_per_day:
        return f"max_orders_per_day: {exposure.orders_today} orders were sent today, and {limits.max_orders_per_day} are allowed"
    value = order.quantity * exposure.price
    if limits.max_order_value is not None and value > limits.max_order_value:
        return f"max_order_value: the order is worth {value:,.2f}, and {limits.max_order_value:,.2f} is allowed"
    change = order.quantity if order.side == "buy" else -order.quantity
    if abs(exposure.held + change) <= abs(exposure.held) and exposure.held * (exposure.held + change) >= 0:
        return ""  # less risk than before: a way out is always open
    worth = abs(exposure.held + change) * exposure.price
    if limits.max_position is not None and worth > limits.max_position:
        return f"max_position: {order.symbol} would be worth {worth:,.2f}, and {limits.max_position:,.2f} is allowed"
    if limits.max_daily_loss is not None and exposure.loss_today > limits.max_daily_loss:
        return f"max_daily_loss: {exposure.loss_today:,.2f} was lost today, and {limits.max_daily_loss:,.2f} is allowed"
    return ""
