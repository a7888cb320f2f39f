"""What the journal says of an order: the whole line, with and without what only some orders have."""

from dataclasses import replace
from datetime import UTC, datetime

from openbell.order_terms import Terms
from openbell.strategy import order_lines
from openbell.trading.brokers import Order, PlacedOrder

NOW = datetime(2026, 11, 20, 15, 0, tzinfo=UTC)
ORDER = Order("ob-1", "BTC/USD", "buy", 3.0)
# Alpaca calls the pair BTCUSD; the journal keeps the strategy's own name of it.
PLACED = PlacedOrder("v-1", "ob-1", "BTCUSD", "buy", 2.5, "partially_filled", 1.5, 100.0, NOW, "")
STATE = {
    "client_order_id": "ob-1",
    "order_id": "v-1",
    "status": "partially_filled",
    "filled_qty": 1.5,
    "filled_price": 100.0,
}


def test_the_line_of_a_decision() -> None:
    """Fee and the broker's reason are there only where there are any."""
    bare = {"symbol": "BTC/USD", "action": "buy", "reason": "it rose", "signal": 0.4, "qty": 2.5, **STATE}
    assert order_lines.decision(ORDER, PLACED, "it rose", 0.4) == bare
    more = replace(PLACED, fee_paid=0.25, reason="the market is closed")
    told = order_lines.decision(ORDER, more, "it rose", None)
    assert told == {**bare, "signal": None, "fee": 0.25, "broker_reason": "the market is closed"}


def test_the_line_of_a_refusal() -> None:
    """What was wanted, and why it was not sent."""
    refused = replace(PLACED, symbol="BTC/USD", status="refused", reason="halted: odd fills")
    assert order_lines.refusal(refused, "it rose", 0.4, 3.0) == {
        "symbol": "BTC/USD",
        "action": "refused",
        "reason": "halted: odd fills",
        "signal": 0.4,
        "qty": 0,
        "side": "buy",
        "wanted_qty": 3.0,
        "wanted_reason": "it rose",
    }


def test_the_line_of_a_change() -> None:
    """A cancellation has no terms; what was replaced has its new ones."""
    bare = {"symbol": "BTCUSD", "side": "buy", "reason": "too late", "qty": 2.5, **STATE}
    assert order_lines.change(PLACED, "too late") == bare
    more = order_lines.change(replace(PLACED, reason="odd"), "too late", Terms(limit=99.0))
    assert more == {**bare, "broker_reason": "odd", "terms": {"limit": 99.0}}
