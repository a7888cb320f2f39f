"""An order at the matching engine as text, for the paper account's file."""

import json
from datetime import datetime
from decimal import Decimal
from typing import Any

from openbell import order_terms
from openbell.records import replace
from openbell.trading.brokers import Order
from openbell.trading.price_comparison import Resting

_DECIMALS = ("left", "filled", "value", "fee")
_INSTANTS = ("placed_at", "seen", "expires_at", "full_until")
_PLAIN = ("status", "reason", "is_triggered", "best")


def encoded(one: Resting) -> str:
    """Return an order with how far it has come."""
    order = one.order
    told: dict[str, object] = {name: str(getattr(one, name)) for name in _DECIMALS}
    told |= {name: at.isoformat() for name in _INSTANTS if (at := getattr(one, name)) is not None}
    told |= {name: getattr(one, name) for name in _PLAIN}
    told["order"] = [order.client_order_id, order.symbol, order.side, order.quantity, order.is_exit]
    return json.dumps({**told, "terms": order.terms.encoded()})


def decoded(text: str) -> Resting:
    """Return what `encoded` has written."""
    told = json.loads(text)
    order = replace(Order(*told.pop("order")), terms=order_terms.decoded(told.pop("terms")))
    read: dict[str, Any] = {name: datetime.fromisoformat(told.pop(name)) for name in _INSTANTS if name in told}
    read |= {name: Decimal(told.pop(name)) for name in _DECIMALS}
    return Resting(order, **read, **told)
