"""Risk limits: each refuses what is beyond it, with the figures, and no more than that."""

from dataclasses import replace

import pytest

from openbell.manifest import Limits
from openbell.trading.brokers import Order
from openbell.trading.limits import Exposure, refusal


def order(side: str = "buy", quantity: float = 10.0) -> Order:
    """Return an order."""
    return Order("ob-1", "AAPL", side, quantity)


def way_out(side: str = "sell") -> Order:
    """Return an order that takes nothing but what is held."""
    return replace(order(side), is_exit=True)


@pytest.mark.parametrize("limits, one, exposure, reason", [
    (Limits(), order(), Exposure(1e9, 1e9, 10_000, 1e9), ""),
    (Limits(allowed_symbols=("IBM", "KO")), order(), Exposure(), "allowed_symbols: AAPL is not one of IBM, KO"),
    (Limits(allowed_symbols=("AAPL",)), order(), Exposure(), ""),
    (Limits(max_orders_per_day=3), order(), Exposure(orders_today=2), ""),
    (
        Limits(max_orders_per_day=3), order(), Exposure(orders_today=3),
        "max_orders_per_day: 3 orders were sent today, and 3 are allowed",
    ),
    (Limits(max_order_value=1000), order(), Exposure(price=100), ""),
    (
        Limits(max_order_value=1000), order(), Exposure(price=100.01),
        "max_order_value: the order is worth 1,000.10, and 1,000.00 is allowed",
    ),
    (Limits(max_order_value=1000), order("sell"), Exposure(price=200, held=50), "max_order_value: the order is worth 2,000.00, and 1,000.00 is allowed"),
    (Limits(max_position=1500), order(), Exposure(price=100, held=5), ""),
    (Limits(max_position=1500), order(), Exposure(price=100, held=6), "max_position: AAPL would be worth 1,600.00, and 1,500.00 is allowed"),
    (Limits(max_position=1500), way_out(), Exposure(price=100, held=90), ""),  # less than before, though still too much
    (Limits(max_position=500), order("sell"), Exposure(price=100), "max_position: AAPL would be worth 1,000.00, and 500.00 is allowed"),
    (Limits(max_position=500), order("sell", 30), Exposure(price=100, held=10), "max_position: AAPL would be worth 2,000.00, and 500.00 is allowed"),
    (Limits(max_daily_loss=100), order(), Exposure(loss_today=100), ""),
    (Limits(max_daily_loss=100), order(), Exposure(loss_today=100.5), "max_daily_loss: 100.50 was lost today, and 100.00 is allowed"),
    (Limits(max_daily_loss=100), way_out(), Exposure(held=10, loss_today=1e6), ""),  # a way out
    (Limits(max_daily_loss=100), way_out("buy"), Exposure(held=-10, loss_today=1e6), ""),
    (Limits(max_daily_loss=100), order("sell", 11), Exposure(held=10, loss_today=1e6), "max_daily_loss: 1,000,000.00 was lost today, and 100.00 is allowed"),
])  # fmt: skip
def test_a_limit(limits: Limits, one: Order, exposure: Exposure, reason: str) -> None:
    """Up to the limit is allowed; beyond it only what makes the position smaller."""
    assert refusal(limits, one, exposure) == reason
