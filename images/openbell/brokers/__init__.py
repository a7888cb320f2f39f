"""The former name of openbell.trading.brokers, for strategies written before it moved. Nothing of openbell's own imports it."""

from openbell.trading.brokers import (
    FINAL,
    Account,
    Broker,
    BrokerError,
    Order,
    OrderRefusedError,
    PlacedOrder,
    Position,
)
from openbell.trading.brokers.registry import open_broker

__all__ = [
    "FINAL",
    "Account",
    "Broker",
    "BrokerError",
    "Order",
    "OrderRefusedError",
    "PlacedOrder",
    "Position",
    "open_broker",
]
