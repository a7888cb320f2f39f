"""What a manifest may say of trading: the names of markets and brokers, the keys that they need, the limits."""

import re
from collections.abc import Callable

from openbell.manifest import grammar

MARKETS = ("sample", "synthetic", "alpaca")
BROKERS = ("paper", "alpaca")
_NAMED = 'one of {}, an exchange such as "ccxt:kraken", or your own class such as "my_{}"'
MARKET = _NAMED.format(", ".join(MARKETS), "market:Market")
BROKER = _NAMED.format(", ".join(BROKERS), "broker:Broker")

_EXCHANGE = re.compile(r"ccxt:[a-z0-9]{2,30}")
_IMPORT_PATH = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*:[A-Z][A-Za-z0-9_]*")

LIMITS: dict[str, tuple[Callable[[object], object], str]] = {
    "max_order_value": (grammar.amount, "an amount above zero"),
    "max_position": (grammar.amount, "an amount above zero"),
    "max_orders_per_day": (grammar.whole(1, 1_000_000), "a whole number from 1 to 1000000"),
    "max_daily_loss": (grammar.amount, "an amount above zero"),
    "allowed_symbols": (grammar.list_of(grammar.SYMBOL), 'different symbols such as ["AAPL", "MSFT"]'),
}


def market(value: object) -> str | None:
    """Return the name of a market."""
    return _named(value, MARKETS)


def broker(value: object) -> str | None:
    """Return the name of a broker."""
    return _named(value, BROKERS)


def keys_of(market: str, broker: str, *, live: bool) -> tuple[str, ...]:
    """Return the names of the environment variables with the keys that a market and a broker cannot do without."""
    if "alpaca" in {market, broker}:
        return ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")
    if broker.startswith("ccxt:") and live:
        exchange = broker.removeprefix("ccxt:").upper()
        return (f"{exchange}_API_KEY", f"{exchange}_SECRET_KEY")
    return ()


def _named(value: object, known: tuple[str, ...]) -> str | None:
    if not isinstance(value, str):
        return None
    return value if value in known or _EXCHANGE.fullmatch(value) or _IMPORT_PATH.fullmatch(value) else None
