"""Our orders as ccxt takes them: type, price and parameters. Pure."""

from typing import NamedTuple

from openbell.trading.orders import Order

# What the library calls the price that a stop waits for, by exchange.
_STOP = {"kraken": "stopLossPrice"}


class Request(NamedTuple):
    """The arguments of create_order beside symbol, side and amount."""

    kind: str  # "market" or "limit"; a stop is one of them with a parameter
    price: float | None
    parameters: dict[str, object]


def request_of(order: Order, exchange: str) -> Request:
    """Return how an order is sent to an exchange."""
    terms = order.terms
    parameters: dict[str, object] = {}
    if terms.stop is not None:
        parameters[_STOP.get(exchange, "triggerPrice")] = terms.stop
    if terms.limit is not None and order.waits == "ioc":
        parameters["timeInForce"] = "IOC"
    return Request("market" if terms.limit is None else "limit", terms.limit, parameters)
