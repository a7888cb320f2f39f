"""ccxt's answers as orders, balances under all names of a currency, and fees. Pure."""

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any

from openbell.position import total
from openbell.trading.orders import PlacedOrder

# Every status of the library's; an order with any other is followed until it has one of these.
STATUS = {
    "open": "accepted",
    "canceling": "pending_cancel",
    "closed": "filled",
    "canceled": "cancelled",
    "expired": "expired",
    "rejected": "rejected",
}


def placed_of(answer: Mapping[str, Any], client_order_id: str) -> PlacedOrder:
    """Return an order as the library has answered it, under our id."""
    filled, symbol, side = float(answer.get("filled") or 0), str(answer["symbol"]), str(answer["side"])
    status = STATUS.get(str(answer["status"]), "accepted")
    if status == "accepted" and filled:
        status = "partially_filled"
    base, _, quote = symbol.partition("/")
    fees = answer.get("fees") or [answer.get("fee") or {}]
    price, at = answer.get("average"), answer.get("timestamp")
    return PlacedOrder(
        order_id=str(answer["id"]),
        client_order_id=client_order_id,
        symbol=symbol,
        side=side,
        quantity=float(answer.get("amount") or filled),
        status=status,
        filled_quantity=filled,
        filled_price=None if price is None else float(price),
        placed_at=datetime.fromtimestamp(at / 1000, UTC) if at else datetime.now(UTC),
        reason="",
        fee_quantity=cost_in(fees, base),
        fee_paid=cost_in(fees, quote),
    )


def amount_of(amounts: Mapping[str, Any], currency: str) -> float:
    """Return how much of a currency there is, with what earns or is staked under names of its own (Kraken's XBT.F, ETH.S)."""
    names = {currency, *(old for old, new in _OLD_NAMES.items() if new == currency)}
    return total(*(float(held or 0) for name, held in amounts.items() if name.partition(".")[0] in names))


def cost_in(fees: Iterable[Mapping[str, Any]], currency: str) -> float:
    """Return what was paid as fees in one currency."""
    return total(*(float(fee.get("cost") or 0) for fee in fees if fee.get("currency") == currency))


_OLD_NAMES = {"XBT": "BTC", "XDG": "DOGE"}  # which the library leaves as they are where a suffix follows
