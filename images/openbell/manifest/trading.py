"""What a manifest may say of trading: the names of markets and brokers, the keys that they need, the limits."""

import re
from collections.abc import Callable

from openbell.manifest import grammar

MARKETS = ("sample", "synthetic", "alpaca")
BROKERS = ("paper", "alpaca")
_NAMED = 'one of {}, an exchange such as "ccxt:kraken", or your own class such as "my_{}"'
MARKET = _NAMED.format(", ".join(MARKETS), "market:Market")
BROKER = _NAMED.format(", ".join(BROKERS), "broker:Broker")

EXCHANGE = re.compile(r"ccxt:[a-z0-9]{2,30}")
IMPORT_PATH = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*:[A-Z][A-Za-z0-9_]*")

# Exchanges whose orders were tried against their REST, and those of them that turn away an order that is older than a few seconds.
TRIED = frozenset({"binance", "bybit", "coinbase", "kraken", "okx"})
DEADLINES = frozenset({"binance", "kraken"})
WITHOUT_SANDBOX = frozenset({"coinbase", "kraken"})
PASSPHRASES = frozenset({"okx", "kucoin", "bitget"})  # their keys have a third part
_QUOTES = ("USDT", "USDC", "USD", "BTC")

LIMITS: dict[str, tuple[Callable[[object], object], str]] = {
    "max_order_value": (grammar.amount, "an amount above zero"),
    "max_position": (grammar.amount, "an amount above zero"),
    "max_orders_per_day": (grammar.WholeNumber(1, 1_000_000), "a whole number from 1 to 1000000"),
    "max_daily_loss": (grammar.amount, "an amount above zero"),
    "allowed_symbols": (grammar.ListOf(grammar.SYMBOL), 'different symbols such as ["AAPL", "MSFT"]'),
    "short": (grammar.flag, "true or false"),
}

CAPITAL: dict[str, tuple[Callable[[object], object], str]] = {
    "amount": (grammar.amount, "an amount above zero"),
    "part": (grammar.part, "a part of the account above 0, at most 1, such as 0.25"),
}

_POINTS = "basis points from 0 to below 10000"
_MONEY = "an amount of 0 or more"
COSTS: dict[str, tuple[Callable[[object], object], str]] = {
    "commission": (grammar.Between(0, 9_999.999), _POINTS),
    "slippage": (grammar.Between(0, 9_999.999), _POINTS),
    "per_unit": (grammar.Between(0, 1_000_000), _MONEY),
    "minimum": (grammar.Between(0, 1_000_000), _MONEY),
    "maximum": (grammar.Between(0, 9_999.999), _POINTS),
    "borrow": (grammar.Between(0, 1_000), "per cent a year from 0 to 1000"),
    "volume": (grammar.Between(0.000_001, 1), "a part of a bar's volume above 0, at most 1, such as 0.1"),
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
        exchange = broker.removeprefix("ccxt:")
        names = ("API_KEY", "SECRET_KEY", *(["PASSPHRASE"] if exchange in PASSPHRASES else []))
        return tuple(f"{exchange.upper()}_{name}" for name in names)
    return ()


def has_account(broker: str, secrets: tuple[str, ...], *, live: bool) -> bool:
    """Tell whether orders go to an account of the broker's, which other strategies with the same keys use too."""
    exchange = broker.removeprefix("ccxt:")
    has_keys = any(name.startswith(f"{exchange.upper()}_") for name in secrets)
    has_sandbox = exchange not in WITHOUT_SANDBOX
    return broker == "alpaca" or (broker.startswith("ccxt:") and (live or (has_keys and has_sandbox)))


def is_untried(broker: str, secrets: tuple[str, ...], *, live: bool) -> bool:
    """Tell whether orders would go to an exchange that is not tested; its prices with the paper account are another matter."""
    exchange = broker.removeprefix("ccxt:")
    has_keys = any(name.startswith(f"{exchange.upper()}_") for name in secrets)
    return broker.startswith("ccxt:") and exchange not in TRIED and (live or has_keys)


def misspelt(symbol: str, market: str, broker: str) -> str:
    """Return how a symbol is to be written for a market and broker, or an empty string if it is right."""
    named = {market.partition(":")[0], broker.partition(":")[0]}
    if "ccxt" in named and (":" in symbol or not re.fullmatch(r"[^/:]+/[^/:]+", symbol)):
        return 'a spot pair such as "BTC/USDT": derivatives (BTC/USDT:USDT) are not traded here'
    if "alpaca" in named and "/" not in symbol:
        quote = next((one for one in _QUOTES if symbol.endswith(one) and len(symbol) > len(one) + 1), "")
        if quote and len(symbol) > 5:
            return f'"{symbol.removesuffix(quote)}/{quote}" for a coin, a ticker such as "AAPL" for a share'
    return ""


def _named(value: object, known: tuple[str, ...]) -> str | None:
    if not isinstance(value, str):
        return None
    return value if value in known or EXCHANGE.fullmatch(value) or IMPORT_PATH.fullmatch(value) else None
