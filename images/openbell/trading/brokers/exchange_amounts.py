"""What ccxt's answers say of amounts: balances under all names of a currency, and fees. Pure."""

from collections.abc import Iterable, Mapping
from typing import Any

from openbell.position import total


def amount_of(amounts: Mapping[str, Any], currency: str) -> float:
    """Return how much of a currency there is, with what earns or is staked under names of its own (Kraken's XBT.F, ETH.S)."""
    names = {currency, *(old for old, new in _OLD_NAMES.items() if new == currency)}
    return total(*(float(held or 0) for name, held in amounts.items() if name.partition(".")[0] in names))


def cost_in(fees: Iterable[Mapping[str, Any]], currency: str) -> float:
    """Return what was paid as fees in one currency."""
    return total(*(float(fee.get("cost") or 0) for fee in fees if fee.get("currency") == currency))


_OLD_NAMES = {"XBT": "BTC", "XDG": "DOGE"}  # which the library leaves as they are where a suffix follows
