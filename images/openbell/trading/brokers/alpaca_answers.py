"""What Alpaca's answers say of orders and positions. Pure."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from openbell.trading.brokers import PlacedOrder, Position

# Every status of the library's OrderStatus. Only what can never fill any more is final: a suspended order trades again, one that
# is done for the day comes back tomorrow unless it was a day order, and a replaced one goes on as its successor.
STATUS = {
    "new": "accepted",
    "accepted": "accepted",
    "accepted_for_bidding": "accepted",
    "pending_new": "accepted",
    "pending_review": "accepted",
    "pending_replace": "accepted",
    "partially_filled": "partially_filled",
    "filled": "filled",
    "done_for_day": "accepted",
    "canceled": "cancelled",
    "expired": "expired",
    "replaced": "replaced",
    "pending_cancel": "pending_cancel",
    "stopped": "accepted",
    "rejected": "rejected",
    "suspended": "suspended",
    "calculated": "accepted",
    "held": "held",
}
_CRYPTO_QUOTES = ("USDT", "USDC", "USD", "BTC")


def placed_of(answer: Mapping[str, Any]) -> PlacedOrder:
    """Return an order."""
    price = answer.get("filled_avg_price")
    return PlacedOrder(
        order_id=str(answer["id"]),
        client_order_id=str(answer["client_order_id"]),
        symbol=str(answer["symbol"]),
        side=str(answer["side"]),
        quantity=float(answer.get("qty") or answer.get("filled_qty") or 0),
        status=_status(answer),
        filled_quantity=float(answer.get("filled_qty") or 0),
        filled_price=None if price is None else float(price),
        placed_at=datetime.fromisoformat(str(answer.get("submitted_at") or answer["created_at"])),
        reason="",
    )


def _status(answer: Mapping[str, Any]) -> str:
    status = STATUS.get(str(answer["status"]), "accepted")
    if status == "replaced" and not answer.get("replaced_by"):
        return "cancelled"
    is_done_for_day = str(answer["status"]) == "done_for_day" and str(answer.get("time_in_force")) == "day"
    return "expired" if is_done_for_day else status


def position_of(answer: Mapping[str, Any]) -> Position:
    """Return a position; a pair of coins under its name with a slash."""
    symbol = str(answer["symbol"])
    if answer.get("asset_class") == "crypto" and "/" not in symbol:
        quote = next((one for one in _CRYPTO_QUOTES if symbol.endswith(one)), "")
        symbol = f"{symbol.removesuffix(quote)}/{quote}" if quote else symbol
    price = answer.get("current_price")
    return Position(symbol, float(answer["qty"]), float(answer["avg_entry_price"]), float(price) if price else None)
