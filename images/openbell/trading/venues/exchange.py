"""Exchanges of crypto-currencies through ccxt: one exchange's module, its sandbox, its symbols. Needs the package ccxt."""

import contextlib
import importlib
import importlib.util
import json
import os
import re
import sys
import time
import types
from decimal import Decimal
from functools import lru_cache
from typing import Any

from openbell.manifest.trading import PASSPHRASES, TRIED
from openbell.position import ZERO, decimal
from openbell.trading.order_size import NANO, SizeRules
from openbell.trading.run_services import RunServices
from openbell.trading.venues import (
    BusyError,
    DuplicateError,
    MissingError,
    RefusedError,
    UnansweredError,
    VenueError,
    http_timeouts,
)
from openbell.trading.venues.alpaca import seconds
from openbell.trading.venues.calls import Calls, first_line
from openbell.trading.venues.gates import gate

BURST = 5
SYMBOLS_AGE = 86_400.0  # seconds after which the exchange is asked for its symbols again
HALT_AGE = 300.0  # the same, while one of them is not traded or not there
WINDOW = 5.0  # seconds after which an order on its way is not accepted any more, where the exchange offers that
CLOCKED = frozenset(
    {"binance", "bybit", "okx"}
)  # their requests carry the time, and what is far from theirs is turned away
CLOCK_OFF = 30.0  # seconds that a clock is off where it makes a difference to Coinbase
DECIMAL_PLACES = 2  # the library's name for a precision that counts digits; otherwise it is the step itself
_TRY_LATER = 5.0
_DOUBLES = ("51016", "170141", "110072")  # OKX, Bybit
_OPTIONS: dict[str, dict[str, object]] = {
    # Spot markets only, and no question that needs more than a key for reading and trading.
    "binance": {
        "fetchMarkets": {"types": ["spot"]},
        "fetchCurrencies": False,
        "fetchMargins": False,
        "recvWindow": int(WINDOW * 1000),
        "warnOnFetchOpenOrdersWithoutSymbol": False,
    },
    "kraken": {"fetchCurrencies": False},
    "bybit": {
        "fetchMarkets": {"types": ["spot"]},
        "fetchCurrencies": False,
        "defaultType": "spot",
        # What all accounts are since 2025, and two questions less.
        "enableUnifiedMargin": False,
        "enableUnifiedAccount": True,
        "recvWindow": int(WINDOW * 1000),
    },
    "coinbase": {"fetchBalance": "v3PrivateGetBrokerageAccounts", "fetchCurrencies": False},
    "okx": {"fetchMarkets": {"types": ["spot"]}, "fetchCurrencies": False},
}


def load(name: str) -> Any:
    """Return the exchange's class; VenueError if the library is not there or has no such exchange.

    ccxt's own __init__ imports all of its hundred exchanges: 1.6 s and 79 MB. What one of them needs is 0.2 s and 45 MB.
    """
    if "ccxt" in sys.modules:
        package = None  # the strategy has imported it: what is there is used
    else:
        spec = importlib.util.find_spec("ccxt")
        if spec is None or spec.submodule_search_locations is None:
            msg = "ccxt is not in this image: lock it into the strategy's requirements.txt"
            raise VenueError(msg)
        package = types.ModuleType("ccxt")
        package.__path__ = list(spec.submodule_search_locations)
        package.__spec__ = spec
        sys.modules["ccxt"] = package
    try:
        return getattr(importlib.import_module(f"ccxt.{name}"), name)
    except (ImportError, AttributeError) as error:
        msg = f'ccxt has no exchange "{name}": {error}'
        raise VenueError(msg) from error
    finally:
        # A strategy that imports ccxt itself later on shall get all of it.
        if package is not None and sys.modules.get("ccxt") is package:
            del sys.modules["ccxt"]


class Venue:
    """One exchange as one process sees it: the library's object and what every call needs."""

    def __init__(self, name: str, desk: RunServices, *, sandbox: bool) -> None:
        self.name = name
        self.desk = desk
        keys = _keys(name, desk)
        self.client, self._wire = _client(
            name, sandbox, *keys, desk.addresses.get(f"{name.upper()}_URL", ""), os.getpid()
        )
        rate = float(self.client.rateLimit) / 1000
        self.calls = Calls(gate(desk, name, keys[0], 60 / rate, BURST), desk.remaining, desk.halted, self._translate)
        self._symbols = desk.state / f"{name}{'-sandbox' if sandbox else ''}-symbols.json"

    def know(self, symbol: str) -> dict[str, Any]:
        """Return what the exchange says of a symbol: its steps and smallest amounts; MissingError if it has none of that name.

        What it says is kept for a day, of the strategy's own symbols only: all of it is megabytes.
        """
        self.prepare(symbol)
        if symbol not in self.client.markets:
            msg = f"{self.name} has no symbol {symbol}: is it right, and has it not been renamed?"
            raise MissingError(msg)
        found: dict[str, Any] = self.client.markets[symbol]
        return found

    def prepare(self, *more: str) -> None:
        """Give the library what the exchange says of the strategy's symbols, and of `more`; those that it has not are left out."""
        wanted = (*self.desk.symbols, *more)
        if self._is_known(wanted):
            return
        kept = self._kept(wanted)
        self._take(self._fetched(wanted) if kept is None else kept)
        self.client.options["openbell_asked"] = (set(wanted), time.time())

    def _is_known(self, wanted: tuple[str, ...]) -> bool:
        """Tell whether this process has asked for all of them, lately if one is not traded or not there."""
        asked, at = self.client.options.get("openbell_asked", (set(), 0.0))
        markets = self.client.markets or {}
        if not asked.issuperset(wanted):
            return False
        return all(_is_traded(markets.get(one)) for one in wanted) or time.time() - at < HALT_AGE

    def sizes(self, symbol: str) -> SizeRules:
        """Return the steps and smallest orders of a symbol."""
        told = self.know(symbol)
        precision, limits = told.get("precision") or {}, told.get("limits") or {}
        step, tick = (self._step(precision.get(name)) for name in ("amount", "price"))
        smallest = (limits.get("amount") or {}).get("min") or 0.0
        worth = (limits.get("cost") or {}).get("min") or 0.0
        return SizeRules(step if step > ZERO else NANO, decimal(smallest), decimal(worth), tick)

    def _step(self, precision: float | None) -> Decimal:
        """Return a step of a precision as the library gives it: the step itself, or how many decimals; zero for none."""
        if precision is None:
            return ZERO
        return Decimal(1).scaleb(-int(precision)) if self.client.precisionMode == DECIMAL_PLACES else decimal(precision)

    def _take(self, markets: dict[str, Any]) -> None:
        self.client.set_markets(list(markets.values()))
        # What ccxt remembers beside the markets when it fetches them: Kraken's orders name their pair by it.
        by_name = {market["altname"]: market for market in markets.values() if "altname" in market}
        self.client.options["marketsByAltname"] = by_name

    def _kept(self, wanted: tuple[str, ...]) -> dict[str, Any] | None:
        if self.name not in TRIED:
            return None  # what else ccxt remembers of that exchange's markets is not known here
        try:
            age = time.time() - self._symbols.stat().st_mtime
            kept: dict[str, Any] = json.loads(self._symbols.read_text())
        except (OSError, ValueError):
            return None
        # One that is not traded, or that the exchange does not have, is kept too, but not for long.
        longest = SYMBOLS_AGE if all(_is_traded(kept.get(symbol)) for symbol in wanted) else HALT_AGE
        if age > longest or not all(symbol in kept for symbol in wanted):
            return None
        return {symbol: market for symbol, market in kept.items() if market is not None}

    def _fetched(self, wanted: tuple[str, ...]) -> dict[str, Any]:
        found = self.calls.ask(self.client.fetch_markets)
        markets = {market["symbol"]: market for market in found if market["symbol"] in wanted}
        self._symbols.parent.mkdir(parents=True, exist_ok=True)
        aside = self._symbols.with_suffix(f".{os.getpid()}")
        aside.write_text(json.dumps({**dict.fromkeys(wanted), **markets}))
        aside.replace(self._symbols)
        return markets

    def skew(self) -> float:
        """Return how many seconds the exchange's clock is ahead of ours, as its last answer told when it came."""
        return self._wire.ahead

    def _translate(self, error: Exception) -> VenueError:
        from ccxt.base import errors  # noqa: PLC0415 - there once a client is

        if isinstance(error, VenueError):
            return error
        told = first_line(error)
        if not isinstance(error, errors.BaseError):
            return UnansweredError(f"{self.name}'s answer cannot be understood: {type(error).__name__}: {told}")
        if "Deadline elapsed" in told:  # Kraken: it came too late and was turned away
            return BusyError(told, 1.0)
        # "Unauthorized" is Coinbase's word for it, which the library does not always recognize.
        if isinstance(error, errors.AuthenticationError) or "Unauthorized" in told:
            return self._turned_away(told)
        match error:
            case errors.DDoSProtection() | errors.RateLimitExceeded():
                headers = self.client.last_response_headers or {}
                return BusyError(told, seconds(headers.get("Retry-After"), _TRY_LATER))
            case errors.OrderNotFound() | errors.BadSymbol():
                return MissingError(told)
            case errors.DuplicateOrderId() | errors.InvalidOrder() if _is_double(error, told):
                return DuplicateError(told)
            case errors.InvalidNonce():
                self._read_the_clock()
                return BusyError(
                    told, 1.0
                )  # turned away: our clock is wrong, or another run's request overtook this one
            case errors.OperationFailed():
                return UnansweredError(told)
        return RefusedError(told)

    def _read_the_clock(self) -> None:
        """Take the exchange's time for the signatures of the requests to come."""
        if self.name in CLOCKED:
            with contextlib.suppress(Exception):  # the next try tells
                self.client.load_time_difference()

    def _turned_away(self, told: str) -> VenueError:
        """Return what a wrong signature means: the keys, or Coinbase's answer to a signature of another minute."""
        ahead, known = self.skew(), self.client.options.get("openbell_ahead", 0.0)
        if self.name == "coinbase" and abs(ahead - known) >= CLOCK_OFF:
            self.client.options["openbell_ahead"] = ahead
            self.client.seconds = lambda: int(time.time() + ahead)
            return BusyError(told, 1.0)
        prefix = self.name.upper()
        return VenueError(f"{told}: check {prefix}_API_KEY and {prefix}_SECRET_KEY and what they permit")


@lru_cache(maxsize=2)
def _client(
    name: str,
    sandbox: bool,  # noqa: FBT001
    key: str,
    secret: str,
    passphrase: str,
    address: str,
    _process: int,
) -> tuple[Any, http_timeouts.Limited]:
    made = load(name)(
        {"apiKey": key, "secret": secret, "enableRateLimit": False, "timeout": int(http_timeouts.SILENCE * 1000)}
    )
    made.password = passphrase
    made.options.update({"adjustForTimeDifference": False, **_OPTIONS.get(name, {})})
    if sandbox:
        if "test" not in made.urls:
            msg = f'{name} has no sandbox: without live = true take broker = "paper"'
            raise VenueError(msg)
        made.set_sandbox_mode(True)
    if address:
        made.urls["api"] = _moved(made.urls["api"], address.rstrip("/"))
    return made, http_timeouts.limit(made.session)


def _is_double(error: Exception, told: str) -> bool:
    """Tell whether an order was turned away because its id is known; not every exchange's code for it has a class of its own."""
    return type(error).__name__ == "DuplicateOrderId" or any(code in told for code in _DOUBLES)


def _is_traded(market: dict[str, Any] | None) -> bool:
    return market is not None and market.get("active") is not False


def _moved(urls: Any, address: str) -> Any:
    if isinstance(urls, dict):
        return {name: _moved(url, address) for name, url in urls.items()}
    return re.sub(r"^https?://[^/]+", address, urls) if isinstance(urls, str) else urls


def _keys(name: str, desk: RunServices) -> tuple[str, str, str]:
    prefix = name.upper()
    key, secret, passphrase = (
        desk.secrets.get(f"{prefix}_{part}", "") for part in ("API_KEY", "SECRET_KEY", "PASSPHRASE")
    )
    # A key of several lines is one line in an environment variable.
    return key, secret.replace("\\n", "\n"), passphrase


def has_keys(name: str, desk: RunServices) -> bool:
    """Tell whether the strategy has named the exchange's keys, and they are set."""
    key, secret, passphrase = _keys(name, desk)
    return bool(key and secret and (passphrase or name not in PASSPHRASES))
