"""Other terms for an order that waits at an exchange, which keeps it under its ids."""

from collections.abc import Mapping
from typing import Any

from openbell.order_terms import FINAL, leg_of
from openbell.trading.brokers.exchange_answers import STATUS
from openbell.trading.errors import BrokerError
from openbell.trading.orders import Order
from openbell.trading.venues import UnansweredError
from openbell.trading.venues.exchange import Venue


def change(venue: Venue, found: Mapping[str, Any] | None, order: Order, quantity: float) -> None:
    """Give an order other terms and another quantity in all. found: the order as the exchange has it now."""
    if order.terms.legs or leg_of(order.client_order_id)[0]:
        msg = f"{venue.name} does not change orders that belong together: cancel them, and send others"
        raise BrokerError(msg)
    if found is None or STATUS.get(str(found["status"])) in FINAL:
        state = "is not known" if found is None else f"is {STATUS[str(found['status'])]} already"
        msg = f"order {order.client_order_id} {state} and cannot be replaced"
        raise BrokerError(msg)
    arguments = _arguments(venue, found, order, quantity)
    edit = venue.client.edit_order
    try:
        venue.calls.send(lambda: edit(*arguments), is_exit=order.is_exit)
    except UnansweredError:  # a change that arrives twice is the same change
        venue.calls.send(lambda: edit(*arguments), is_exit=order.is_exit)


def _arguments(venue: Venue, found: Mapping[str, Any], order: Order, quantity: float) -> tuple[Any, ...]:
    """Return the arguments of edit_order."""
    terms, told = order.terms, found["info"]
    kind, more = ("market" if terms.limit is None else "limit"), {}
    if terms.stop is not None and not _is_triggered(venue.name, told):
        stop = venue.client.price_to_precision(order.symbol, terms.stop)
        more = {{"okx": "newTriggerPx", "kraken": "stopLossPrice"}.get(venue.name, "triggerPrice"): stop}
        kind = "trigger" if venue.name == "okx" else kind
    return str(found["id"]), order.symbol, kind, order.side, quantity, terms.limit, more


def _is_triggered(name: str, told: Mapping[str, Any]) -> bool:
    """Tell whether an order's stop was reached, so that only its limit is left to be changed."""
    match name:
        case "okx":
            return bool(told.get("ordId"))
        case "bybit":
            return told.get("orderStatus") != "Untriggered"
    return False
