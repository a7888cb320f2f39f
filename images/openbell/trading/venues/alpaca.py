"""Alpaca: its two addresses, its keys, and what its library's exceptions mean. Needs the package alpaca-py."""

import json
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from openbell.records import dataclass
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
from openbell.trading.venues.calls import Calls, first_line
from openbell.trading.venues.gates import gate

if TYPE_CHECKING:
    from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient
    from alpaca.data.historical.corporate_actions import CorporateActionsClient
    from alpaca.trading.client import TradingClient

PER_MINUTE = 200.0  # requests of one account; market data is counted apart
BURST = 20
NEVER = -1  # a status that no answer has: the library's own retries, which would send an order again, are off
PAPER, LIVE = "https://paper-api.alpaca.markets", "https://api.alpaca.markets"
DATA = "https://data.alpaca.markets"
_TRY_LATER = 5.0  # seconds, where the venue does not name any


@dataclass(frozen=True)
class Clients:
    """The library's clients of one process; each keeps its connections."""

    trading: "TradingClient"
    stocks: "StockHistoricalDataClient"
    crypto: "CryptoHistoricalDataClient"
    actions: "CorporateActionsClient"


def load() -> None:
    """Import the library; VenueError if the image has none."""
    # pandas, which the library brings, otherwise starts a thread for every core; forks do not inherit them.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    try:
        import alpaca.data.historical  # noqa: PLC0415 - 80 MB and half a second: only where it is used
        import alpaca.trading.client  # noqa: F401, PLC0415
    except ImportError as error:
        msg = f"alpaca-py is not in this image ({error}): lock it into the strategy's requirements.txt"
        raise VenueError(msg) from error


def address(desk: RunServices) -> str:
    """Return where orders go."""
    return desk.addresses.get("ALPACA_URL") or (LIVE if desk.live else PAPER)


def clients(desk: RunServices) -> Clients:
    """Return the clients of this process; VenueError if the library or a key is missing."""
    keys = [desk.secrets.get(name, "") for name in ("ALPACA_API_KEY", "ALPACA_SECRET_KEY")]
    if not all(keys):
        msg = "ALPACA_API_KEY and ALPACA_SECRET_KEY are not set: name both under secrets and set them in .env"
        raise VenueError(msg)
    return _connect(keys[0], keys[1], address(desk), desk.addresses.get("ALPACA_DATA_URL") or DATA, os.getpid())


@lru_cache(maxsize=1)
def _connect(key: str, secret: str, trading: str, data: str, _process: int) -> Clients:
    load()
    from alpaca.data.historical import CryptoHistoricalDataClient, StockHistoricalDataClient  # noqa: PLC0415 - as above
    from alpaca.data.historical.corporate_actions import CorporateActionsClient  # noqa: PLC0415
    from alpaca.trading.client import TradingClient  # noqa: PLC0415

    # Raw answers: a status or a field that the library does not know yet is no reason to lose an order.
    made = Clients(
        TradingClient(key, secret, raw_data=True, url_override=trading),
        StockHistoricalDataClient(key, secret, raw_data=True, url_override=data),
        CryptoHistoricalDataClient(key, secret, raw_data=True, url_override=data),
        CorporateActionsClient(key, secret, raw_data=True, url_override=data),
    )
    for client in (made.trading, made.stocks, made.crypto, made.actions):
        client._retry_codes = [NEVER]  # noqa: SLF001 - its constructors do not pass the argument on
        http_timeouts.limit(client._session)  # noqa: SLF001 - the only way to its time limits
    return made


def calls(desk: RunServices, *, data: bool = False) -> Calls:
    """Return how one run calls the trading or the data address."""
    name, key = "alpaca-data" if data else "alpaca", desk.secrets.get("ALPACA_API_KEY", "")
    return Calls(gate(desk, name, key, PER_MINUTE, BURST), desk.remaining, desk.halted, translate)


def translate(error: Exception) -> VenueError:
    """Return what an exception of the library, or of a callback of ours, means."""
    from alpaca.common.exceptions import APIError  # noqa: PLC0415 - as above
    from requests.exceptions import RequestException  # noqa: PLC0415

    if isinstance(error, VenueError):
        return error
    if isinstance(error, RequestException | ValueError) and not isinstance(error, APIError):
        return UnansweredError(f"Alpaca gave no answer: {first_line(error)}")
    if not isinstance(error, APIError):
        return UnansweredError(f"Alpaca's answer cannot be understood: {type(error).__name__}: {first_line(error)}")
    status, text = error.status_code or 0, _message(error)
    told = f"Alpaca: {text} ({status})"
    match status:
        case 429:
            return BusyError(told, _after(error))
        case 404:
            return MissingError(told)
        case 422 if "must be unique" in text:
            return DuplicateError(told)
        case 400 | 403 | 422 if "subscription" not in text and _is_about_the_order(error, status):
            return RefusedError(told)
        case 401 | 403:
            return VenueError(f"{told}: {_what_to_do(text)}")
        case _ if status == 408 or status >= 500 or status == 0:
            return UnansweredError(told)
    return RefusedError(told)


def _what_to_do(text: str) -> str:
    if "subscription" in text:
        return 'this account may not read that feed: set feed = "iex" in strategy.toml'
    return "check ALPACA_API_KEY and ALPACA_SECRET_KEY, and whether they are live or paper keys"


def _message(error: Any) -> str:
    try:
        return first_line(json.loads(str(error))["message"])
    except (ValueError, KeyError, TypeError):
        return first_line(error)


def _is_about_the_order(error: Any, status: int) -> bool:
    """Tell whether the venue has judged the order: a 403 without a code of its own is about the keys."""
    try:
        answer = json.loads(str(error))
    except (ValueError, TypeError):
        return False
    return "message" in answer and (status != 403 or "code" in answer)


def _after(error: Any) -> float:
    headers = error.response.headers if error.response is not None else {}
    return seconds(headers.get("Retry-After"), _TRY_LATER)


def seconds(text: object, default: float) -> float:
    """Return what a Retry-After header asks for, at least one second."""
    try:
        return max(1.0, float(str(text)))
    except ValueError:
        return default
