"""The lines that a run writes into the journal about its orders: decisions, refusals, cancellations and changes. Pure."""

from openbell.order_terms import MARKET, Terms
from openbell.trading.brokers import Order, PlacedOrder


def decision(order: Order, placed: PlacedOrder, reason: str, signal: object) -> dict[str, object]:
    """Return the fields of an order that was sent, or that a broker has rejected."""
    return {
        "symbol": order.symbol,
        "action": order.side,
        "reason": reason,
        "signal": signal,
        "qty": placed.quantity,
        **_state(placed),
        **({"fee": placed.fee_paid} if placed.fee_paid else {}),
        **_broker_reason(placed),
    }


def refusal(refused: PlacedOrder, wanted_reason: str, signal: object, wanted_quantity: float) -> dict[str, object]:
    """Return the fields of an order that openbell did not send."""
    return {
        "symbol": refused.symbol,
        "action": "refused",
        "reason": refused.reason,
        "signal": signal,
        "qty": 0,
        "side": refused.side,
        "wanted_qty": wanted_quantity,
        "wanted_reason": wanted_reason,
    }


def change(placed: PlacedOrder, reason: str, terms: Terms = MARKET) -> dict[str, object]:
    """Return the fields of an order that was cancelled, or was given other terms."""
    told = terms.fields()
    return {
        "symbol": placed.symbol,
        "side": placed.side,
        "reason": reason,
        "qty": placed.quantity,
        **_state(placed),
        **_broker_reason(placed),
        **({"terms": told} if told else {}),
    }


def _state(placed: PlacedOrder) -> dict[str, object]:
    return {
        "client_order_id": placed.client_order_id,
        "order_id": placed.order_id,
        "status": placed.status,
        "filled_qty": placed.filled_quantity,
        "filled_price": placed.filled_price,
    }


def _broker_reason(placed: PlacedOrder) -> dict[str, object]:
    return {"broker_reason": placed.reason} if placed.reason else {}
