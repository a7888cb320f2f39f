"""Our orders as ccxt takes them: type, price and parameters. Pure."""

import hashlib
from typing import NamedTuple

from openbell.position import decimal
from openbell.trading.orders import Order

# What the library calls the price that a stop waits for, by exchange. Coinbase's "triggerPrice" would wait for the other side.
_STOP = {"kraken": "stopLossPrice", "coinbase": "stopLossPrice"}
# What a new order's parameters call our id, where the library does not translate its own name of it.
NAME_OF_NEW_ID = {"coinbase": "client_order_id"}
ANSWERED_WITHOUT_STATE = frozenset({"coinbase", "kraken", "okx"})  # a new order's answer is its id and no more


class Request(NamedTuple):
    """The arguments of create_order beside symbol, side and amount."""

    kind: str  # "market" or "limit"; a stop is one of them with a parameter
    price: float | None
    parameters: dict[str, object]


def venue_id(exchange: str, client_order_id: str) -> str:
    """Return our id in the exchange's own form: Kraken takes 32 hexadecimal digits, OKX letters and digits."""
    match exchange:
        case "kraken":
            return hashlib.sha256(client_order_id.encode()).hexdigest()[:32]
        case "okx":
            return client_order_id.replace("-", "")
    return client_order_id


def request_of(order: Order, exchange: str) -> Request:
    """Return how an order is sent to an exchange."""
    terms = order.terms
    parameters: dict[str, object] = {}
    if terms.stop is not None:
        parameters[_STOP.get(exchange, "triggerPrice")] = terms.stop
        if exchange == "okx":  # it has orders that wait for a price apart, under an id that is called otherwise
            parameters["algoClOrdId"] = venue_id(exchange, order.client_order_id)
    if terms.trail is not None:
        parameters["trailingAmount"] = f"{decimal(terms.trail).normalize():f}"
    if terms.trail_percent is not None:
        parameters["trailingPercent"] = f"{decimal(terms.trail_percent).normalize():f}"
    if terms.limit is not None and order.waits == "ioc":
        parameters["timeInForce"] = "IOC"
    return Request("market" if terms.limit is None else "limit", terms.limit, parameters)
