"""A bracket or a pair of exits as one list of Binance's orders.

The list lets us name each of its orders, so every leg is found, followed and cancelled by an id of ours. Once one exit is
filled or triggered, and when one is cancelled, the exchange ends the other.
"""

from collections.abc import Mapping
from typing import Any

from openbell.order_terms import STOP_LOSS, TAKE_PROFIT, leg_id
from openbell.trading.orders import Order


def problem(order: Order, told: Mapping[str, object]) -> str:
    """Return why the exchange cannot take a bracket or pair, or an empty string. told: what it says of the symbol."""
    if not order.terms.is_pair and order.side != "buy":
        return "Binance takes brackets only for purchases"
    needed = ("ocoAllowed",) if order.terms.is_pair else ("ocoAllowed", "otoAllowed", "opoAllowed")
    if missing := [name for name in needed if not told.get(name)]:
        return f"Binance takes no such order of {order.symbol}: it does not set {', '.join(missing)} for it"
    return ""


def create(client: Any, order: Order, quantity: float, known: Mapping[str, object]) -> Any:
    """Send a bracket or pair, and return the order that the rest of it belongs to, as the library reads it."""
    market, terms = client.market(order.symbol), order.terms
    given = {"symbol": market["id"], "timestamp": known["timestamp"]}
    amount = client.amount_to_precision(order.symbol, quantity)
    if terms.is_pair:
        exits = _exits(client, order, terms.limit, order.client_order_id, ("above", "below"))
        answer = client.privatePostOrderListOco({**given, "side": order.side.upper(), "quantity": amount, **exits})
    else:
        # The exits sell what the entry has received: with a quantity of their own, equal to the entry's, they would be
        # rejected where the exchange keeps its fee from what was bought.
        entry = {
            "workingType": "LIMIT",
            "workingSide": order.side.upper(),
            "workingPrice": client.price_to_precision(order.symbol, terms.limit),
            "workingQuantity": amount,
            "workingTimeInForce": "GTC",
            "workingClientOrderId": order.client_order_id,
            "pendingSide": "SELL",
        }
        named = leg_id(order.client_order_id, TAKE_PROFIT)
        exits = _exits(client, order, terms.take_profit, named, ("pendingAbove", "pendingBelow"))
        answer = client.privatePostOrderListOpoco({**given, **entry, **exits})
    reports = {one["clientOrderId"]: one for one in answer["orderReports"]}
    return client.parse_order(reports[order.client_order_id], market)


def _exits(client: Any, order: Order, profit: float | None, named: str, where: tuple[str, str]) -> dict[str, object]:
    """Return the two exits of a position that was bought: the profit is above, the loss below."""
    above, below = where
    return {
        f"{above}Type": "LIMIT_MAKER",
        f"{above}Price": client.price_to_precision(order.symbol, profit),
        f"{above}ClientOrderId": named,
        f"{below}Type": "STOP_LOSS",
        f"{below}StopPrice": client.price_to_precision(order.symbol, order.terms.stop_loss),
        f"{below}ClientOrderId": leg_id(order.client_order_id, STOP_LOSS),
    }
