"""Risk limits at their edges: what is just allowed, what is just too much, and what no limit can be judged by."""

import math
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from openbell.ledger import OrderRecord
from openbell.manifest import Limits
from openbell.order_terms import STOP_LOSS, TAKE_PROFIT, leg_id
from openbell.trading.limits import Exposure, is_usable, refusal
from openbell.trading.orders import Order
from openbell.trading.waiting_orders import left_to_fill

BUY = Order("ob-1", "AAPL", "buy", 10.0)
SELL = replace(BUY, side="sell")
NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)


@pytest.mark.parametrize("limits, order, exposure, limit", [
    (Limits(), BUY, Exposure(), ""),
    (Limits(max_order_value=1000), BUY, Exposure(price=100.0), ""),
    (Limits(max_order_value=1000), BUY, Exposure(price=100.01), "max_order_value"),
    (Limits(max_order_value=1000), SELL, Exposure(price=100.01), "max_order_value"),
    (Limits(max_position=2000), BUY, Exposure(price=100.0, held=10.0), ""),
    (Limits(max_position=2000), BUY, Exposure(price=100.0, held=10.1), "max_position"),
    (Limits(max_position=2000), SELL, Exposure(price=100.0, held=-10.0), ""),
    (Limits(max_position=2000), SELL, Exposure(price=100.0, held=-10.1), "max_position"),
    (Limits(max_position=500), SELL, Exposure(price=100.0, held=12.0), ""),  # two are left
    (Limits(max_position=500), SELL, Exposure(price=100.0, held=4.0), "max_position"),  # six are short
    (Limits(max_position=500), BUY, Exposure(price=100.0, held=-12.0), ""),
    (Limits(), BUY, Exposure(price=100.0, cash=1000.0), ""),
    (Limits(), BUY, Exposure(price=100.0, cash=999.99), "capital"),
    (Limits(), SELL, Exposure(price=100.0, cash=0.0), ""),
    (Limits(max_orders_per_day=3), BUY, Exposure(orders_today=2), ""),
    (Limits(max_orders_per_day=3), BUY, Exposure(orders_today=3), "max_orders_per_day"),
    (Limits(max_daily_loss=50), BUY, Exposure(loss_today=50.0), ""),
    (Limits(max_daily_loss=50), BUY, Exposure(loss_today=50.01), "max_daily_loss"),
    (Limits(max_daily_loss=50), BUY, Exposure(loss_today=-50.01), ""),
    (Limits(max_daily_loss=50), BUY, Exposure(loss_today=math.nan), "max_daily_loss"),
    (Limits(max_daily_loss=50), BUY, Exposure(loss_today=-math.inf), "max_daily_loss"),
    (Limits(allowed_symbols=("AAPL",)), BUY, Exposure(), ""),
    (Limits(allowed_symbols=("IBM", "FB")), BUY, Exposure(), "allowed_symbols"),
    (Limits(allowed_symbols=()), BUY, Exposure(), "allowed_symbols"),
    (Limits(max_order_value=1000), BUY, Exposure(price=math.nan), "no usable price"),
    (Limits(max_order_value=1000), BUY, Exposure(price=0.0), "no usable price"),
    (Limits(max_order_value=1000), replace(BUY, quantity=math.nan), Exposure(price=1.0), "max_order_value"),
    (Limits(max_position=1000), BUY, Exposure(price=1.0, held=math.nan), "max_position"),
    (Limits(), BUY, Exposure(price=1.0, cash=math.nan), "capital"),
])  # fmt: skip
def test_a_limit_at_its_edge(limits: Limits, order: Order, exposure: Exposure, limit: str) -> None:
    """Just as much is allowed, more is not, and a figure that is not a number passes nothing; an exit passes everything."""
    assert refusal(limits, order, exposure).partition(":")[0] == limit
    assert refusal(limits, replace(order, is_exit=True), exposure) == ""


def test_without_a_price_nothing_is_worth_anything() -> None:
    """No limit by value asks for one, and then an order of any size has none."""
    assert refusal(Limits(max_order_value=5.0), BUY, Exposure(price=None)) == ""


@pytest.mark.parametrize("limits, exposure, told", [
    (Limits(max_order_value=1000), Exposure(price=200.0), "max_order_value: the order is worth 2,000.00, and 1,000.00 is allowed"),
    (Limits(max_position=1000), Exposure(price=200.0), "max_position: AAPL would be worth 2,000.00, and 1,000.00 is allowed"),
    (Limits(), Exposure(price=200.0, cash=5.5), "capital: the order is worth 2,000.00, and 5.50 of the strategy's share is left"),
    (Limits(max_orders_per_day=1), Exposure(orders_today=2), "max_orders_per_day: 2 orders were sent today, and 1 are allowed"),
    (Limits(max_daily_loss=5), Exposure(loss_today=6.0), "max_daily_loss: 6.00 was lost today, and 5.00 is allowed"),
    (Limits(allowed_symbols=("IBM", "FB")), Exposure(), "allowed_symbols: AAPL is not one of IBM, FB"),
    (Limits(allowed_symbols=()), Exposure(), "allowed_symbols: AAPL is not one of none"),
])  # fmt: skip
def test_a_refusal_has_the_figures(limits: Limits, exposure: Exposure, told: str) -> None:
    """So that a person sees by how much."""
    assert refusal(limits, BUY, exposure) == told


@pytest.mark.parametrize("price, usable", [
    (1e-9, True), (1.0, True), (0.0, False), (-1.0, False), (math.nan, False), (math.inf, False),
])  # fmt: skip
def test_a_price_is_a_number_above_zero(price: float, usable: bool) -> None:
    """Nothing else is one."""
    assert is_usable(price) is usable


def waiting(name: str, side: str, quantity: float, filled: float = 0.0, status: str = "accepted") -> OrderRecord:
    """Return an order that waits."""
    return OrderRecord(name, "b", NOW, "AAPL", side, "", quantity, status, filled=filled)


@pytest.mark.parametrize("orders, side, left", [
    ([], "buy", 0),
    ([waiting("a", "buy", 3.0, 1.0)], "buy", 2),
    ([waiting("a", "buy", 3.0, 1.0)], "sell", 0),
    ([waiting("a", "sell", 1.0), waiting("b", "buy", 3.0), waiting("c", "buy", 4.0)], "buy", 7),
    ([waiting("a", "buy", 3.0, status="uncertain"), waiting("b", "buy", 4.0)], "buy", 4),
    ([waiting("a", "buy", 3.0, status="uncertain")], "sell", 0),
    # Both exits of what is held: one cancels the other.
    ([waiting(leg_id("a", TAKE_PROFIT), "sell", 3.0), waiting(leg_id("a", STOP_LOSS), "sell", 3.0)], "sell", 3),
    ([waiting(leg_id("a", TAKE_PROFIT), "sell", 2.0), waiting(leg_id("a", STOP_LOSS), "sell", 3.0)], "sell", 3),
    ([waiting(leg_id("a", TAKE_PROFIT), "sell", 3.0), waiting(leg_id("a", STOP_LOSS), "sell", 2.0)], "sell", 3),
    ([waiting(leg_id("a", TAKE_PROFIT), "sell", 3.0), waiting(leg_id("b", STOP_LOSS), "sell", 2.0)], "sell", 5),
    # A bracket's exits count as far as its entry has filled.
    ([waiting("a", "buy", 3.0, 1.0), waiting(leg_id("a", TAKE_PROFIT), "sell", 3.0)], "sell", 1),
    ([waiting("a", "buy", 3.0, 1.0), waiting(leg_id("a", TAKE_PROFIT), "sell", 3.0)], "buy", 2),
    # A pair of exits, of which the first is the order itself.
    ([waiting("a", "sell", 3.0), waiting(leg_id("a", STOP_LOSS), "sell", 3.0)], "sell", 3),
])  # fmt: skip
def test_what_orders_that_wait_may_still_fill(orders: list[OrderRecord], side: str, left: int) -> None:
    """By side; of orders of which one cancels the other, the larger counts once."""
    assert left_to_fill(orders, side) == left


def test_orders_of_unknown_fate_count_where_they_are_asked_for() -> None:
    """For reconciliation they may have arrived; for what can be sold they have not."""
    orders = [waiting("a", "buy", 3.0, status="uncertain"), waiting("b", "buy", 4.0)]
    assert left_to_fill(orders, "buy", with_uncertain=True) == 7
    assert left_to_fill(orders, "sell", with_uncertain=True) == 0
