"""Our orders as Alpaca's library takes them, and a bracket's legs as it answers. Pure, but for the library itself."""

import math
from collections.abc import Mapping
from typing import Any

from openbell.order_terms import TAKE_PROFIT
from openbell.trading.orders import Order


def request_of(order: Order) -> Any:
    """Return the request of an order: a simple one, a bracket, or a pair of exits of which one cancels the other."""
    from alpaca.trading import requests  # noqa: PLC0415 - only where the library is
    from alpaca.trading.enums import OrderClass, OrderSide, PositionIntent, TimeInForce  # noqa: PLC0415

    terms = order.terms
    given: dict[str, Any] = {
        "symbol": order.symbol,
        "qty": order.quantity,
        "side": OrderSide(order.side),
        "time_in_force": TimeInForce(order.waits),
        "client_order_id": order.client_order_id,
        # Shares only: with it the venue refuses to open a short where a sale was meant, whatever happened meanwhile.
        "position_intent": PositionIntent(intent) if (intent := _intent(order)) else None,
    }
    if order.value is not None:
        del given["qty"]
        given["notional"] = math.floor(round(order.value * 100, 6)) / 100
    if terms.extended_hours:
        given["extended_hours"] = True
    if terms.legs:
        profit = terms.limit if terms.is_pair else terms.take_profit
        given["order_class"] = OrderClass.OCO if terms.is_pair else OrderClass.BRACKET
        given["take_profit"] = requests.TakeProfitRequest(limit_price=profit or 0.0)
        given["stop_loss"] = requests.StopLossRequest(stop_price=terms.stop_loss or 0.0)
    match terms.kind:
        case "limit":
            return requests.LimitOrderRequest(**given, limit_price=terms.limit)
        case "stop":
            return requests.StopOrderRequest(**given, stop_price=terms.stop)
        case "stop_limit":
            return requests.StopLimitOrderRequest(**given, stop_price=terms.stop, limit_price=terms.limit)
        case "trailing_stop" if terms.trail is not None:
            return requests.TrailingStopOrderRequest(**given, trail_price=terms.trail)
        case "trailing_stop":
            return requests.TrailingStopOrderRequest(**given, trail_percent=terms.trail_percent)
    return requests.MarketOrderRequest(**given)


def change_of(order: Order, before: Mapping[str, Any]) -> Any:
    """Return the request that gives an order, which the venue has as `before`, its terms and quantity of now."""
    from alpaca.trading.requests import ReplaceOrderRequest  # noqa: PLC0415 - as above

    terms = order.terms
    prices = {"limit_price": terms.limit, "stop_price": terms.stop}
    changed: dict[str, Any] = {name: value for name, value in prices.items() if value is not None}
    if order.quantity != float(before.get("qty") or 0):
        changed["qty"] = int(order.quantity)
    if terms.kind == "trailing_stop":
        changed["trail"] = terms.trail or terms.trail_percent
    return ReplaceOrderRequest(**changed)


def leg_in(answer: Mapping[str, Any], leg: str) -> Mapping[str, Any] | None:
    """Return a leg of an order that was answered with its legs; None if it has none of this kind."""
    kinds = {"limit"} if leg == TAKE_PROFIT else {"stop", "stop_limit"}
    legs = answer.get("legs") or []
    return next((one for one in legs if str(one.get("type") or one.get("order_type")) in kinds), None)


def _intent(order: Order) -> str:
    """Return what the venue is to hold the order to; nothing for coins, which cannot be shorted, and for a sale that may open a short."""
    if "/" in order.symbol:
        return ""
    if order.is_exit:
        return f"{order.side}_to_close"
    return "buy_to_open" if order.side == "buy" else ""
