"""Coinbase's Advanced Trade REST as far as ccxt asks for it: tokens name the key and the request, sizes are as Coinbase has them."""

import base64
import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.brokers.book import Book, Booked, RejectedError
from tests.brokers.server import Answer, Request, Venue

KEY_NAME = "organizations/test/apiKeys/test"
# A private key in the form in which Coinbase hands them out, and in which an environment variable can hold it.
_PEM = ec.generate_private_key(ec.SECP256R1()).private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption()
)
SECRET = _PEM.decode().replace("\n", "\\n")
STATES = {"filled": "FILLED", "open": "OPEN", "cancelled": "CANCELLED"}


def coinbase(book: Book) -> Callable[[Callable[[], datetime]], Venue]:
    """Return the venue over a book."""

    def made(clock: Callable[[], datetime]) -> Venue:
        return lambda request: _answer(request, book, clock())

    return made


def _answer(request: Request, book: Book, now: datetime) -> Answer:
    name = request.path.removeprefix("/api/v3/brokerage/")
    _tend_brackets(book)
    if name.startswith("market/"):
        return _public(request, name.removeprefix("market/"), book, now)
    if not _is_signed(request, now):
        return Answer(401, {"error": "Unauthorized", "message": "Unauthorized"})
    match request.method, name:
        case "GET", "transaction_summary":
            return Answer(200, {"fee_tier": {"taker_fee_rate": "0.006", "maker_fee_rate": "0.004"}})
        case "GET", "accounts":
            coins = {symbol.partition("/")[0]: held for symbol, held in book.held.items()}
            accounts = [_account(name, amount) for name, amount in {"USD": book.cash, **coins}.items()]
            return Answer(200, {"accounts": accounts, "has_next": False, "cursor": ""})
        case "POST", "orders":
            return _place(dict(request.body), book)
        case "POST", "orders/batch_cancel":
            number = json.loads(request.raw)["order_ids"][0]
            book.numbered(int(number)).status = "cancelled"
            return Answer(200, {"results": [{"success": True, "order_id": number}]})
        case "GET", "orders/historical/batch":
            wanted = request.query.get("order_status")
            listed = [one for one in book.listed if one.status != "pending"]
            found = [_order(one, now) for one in listed if wanted in {None, STATES[one.status]}]
            return Answer(200, {"orders": found, "has_next": False, "cursor": ""})
        case "GET", "orders/historical/fills":
            return Answer(200, {"fills": [_trade(one, now) for one in book.traded()], "cursor": ""})
        case "GET", path if path.startswith("orders/historical/"):
            return Answer(200, {"order": _order(book.numbered(int(path.rpartition("/")[2])), now)})
    return _public(request, name, book, now)


def _public(request: Request, name: str, book: Book, now: datetime) -> Answer:
    match request.method, name:
        case "GET", "products":
            found = [_product(symbol, book.prices[symbol]) for symbol in book.prices if symbol.endswith("/USD")]
            return Answer(200, {"products": found, "num_products": len(found)})
        case "GET", path if path.endswith("/ticker"):
            price = str(book.prices[_named(path.split("/")[1])])
            trade = {"trade_id": "1", "product_id": path.split("/")[1], "price": price, "time": now.isoformat()}
            return Answer(200, {"trades": [trade], "best_bid": price, "best_ask": price})
        case "GET", path if path.endswith("/candles"):
            return Answer(200, {"candles": _candles(request, book, path.split("/")[1])})
    return Answer(404, {"error": "NOT_FOUND", "message": f"no route {request.method} {request.path}"})


def _is_signed(request: Request, now: datetime) -> bool:
    """Tell whether the token names the key, this request and this minute; a signature of the library's own is taken as right."""
    token = request.headers.get("authorization", "").removeprefix("Bearer ")
    if token.count(".") != 2:
        return False
    head, payload = (json.loads(base64.urlsafe_b64decode(part + "===")) for part in token.split(".")[:2])
    is_current = payload["nbf"] - 5 <= now.timestamp() <= payload["exp"]
    is_this = payload["uri"].startswith(f"{request.method} ") and payload["uri"].endswith(request.path)
    return bool(head["kid"] == KEY_NAME and is_current and is_this)


def _named(product: str) -> str:
    return product.replace("-", "/")


def _account(currency: str, amount: float) -> dict[str, object]:
    return {
        "uuid": f"account-{currency}",
        "currency": currency,
        "active": True,
        "available_balance": {"value": str(amount), "currency": currency},
        "hold": {"value": "0", "currency": currency},
        "type": "ACCOUNT_TYPE_FIAT" if currency == "USD" else "ACCOUNT_TYPE_CRYPTO",
    }


def _product(symbol: str, price: float) -> dict[str, object]:
    base, quote = symbol.split("/")
    steps = {"base_increment": "0.0001", "quote_increment": "0.01", "price_increment": "0.01"}
    return {
        **steps,
        "product_id": f"{base}-{quote}",
        "product_type": "SPOT",
        "price": str(price),
        "base_currency_id": base,
        "quote_currency_id": quote,
        "base_min_size": "0.0001",
        "base_max_size": "1000",
        "quote_min_size": "1",
        "quote_max_size": "50000000",
        "trading_disabled": False,
        "status": "online",
    }


def _place(body: dict[str, Any], book: Book) -> Answer:
    ((kind, terms),) = body["order_configuration"].items()
    symbol, side = _named(body["product_id"]), body["side"].lower()
    if (known := book.known(body["client_order_id"])) is not None:  # a known id is answered with its order
        return _placed(known)
    if kind == "market_market_ioc" and side == "buy":
        if "quote_size" not in terms:
            return _refused("UNSUPPORTED_ORDER_CONFIGURATION")
        quantity = float(terms["quote_size"]) / book.prices[symbol]
    else:
        quantity = float(terms["base_size"])
    try:
        waits = kind != "market_market_ioc"
        asked = {"kind": kind, **terms}
        attached = body.get("attached_order_configuration") or {}
        if wrong := _bracket_problem({kind: terms, **attached}, side, book.prices[symbol]):
            return _refused(wrong)
        order = book.place(body["client_order_id"], symbol, side, quantity, asked, waits=waits)
        for name, exits in attached.items():
            book.leg(order, "sell", {"kind": name, **exits, "base_size": terms["base_size"]}, status="pending")
        return _placed(order)
    except RejectedError:
        return _refused("INSUFFICIENT_FUND")


def _bracket_problem(configurations: dict[str, Any], side: str, price: float) -> str:
    """Return what is wrong with a bracket: it exits a position, at a profit or a loss."""
    if (bracket := configurations.get("trigger_bracket_gtc")) is None:
        return ""
    if ("base_size" in bracket) != (len(configurations) == 1):
        return "UNSUPPORTED_ORDER_CONFIGURATION"  # the size of attached ones is that of their order
    if (len(configurations) == 1) != (side == "sell"):
        return "UNSUPPORTED_ORDER_CONFIGURATION"
    is_right = float(bracket["stop_trigger_price"]) < price < float(bracket["limit_price"])
    return "" if is_right else "INVALID_BRACKET_PRICES"


def _tend_brackets(book: Book) -> None:
    """Make the exits of an entry an order of their own once all of it has filled."""
    for order in [one for one in book.orders if one.legs]:
        for leg in (one for one in order.legs if one.status == "pending"):
            leg.status = {"filled": "open", "cancelled": "cancelled"}.get(order.status, "pending")


def _placed(order: Booked) -> Answer:
    told = {"order_id": str(order.number), "product_id": order.symbol.replace("/", "-"), "side": order.side.upper()}
    return Answer(200, {"success": True, "success_response": {**told, "client_order_id": order.client_id}})


def _refused(reason: str) -> Answer:
    response = {"error": reason, "message": reason.lower(), "preview_failure_reason": f"PREVIEW_{reason}"}
    return Answer(200, {"success": False, "failure_reason": reason, "error_response": response})


def _order(order: Booked, now: datetime) -> dict[str, object]:
    terms = {name: value for name, value in order.asked.items() if name != "kind"}
    attached = [one.number for one in order.legs if order.status == "filled"]
    return {
        "attached_order_id": str(attached[0]) if attached else "",
        "order_id": str(order.number),
        "client_order_id": order.client_id,
        "product_id": order.symbol.replace("/", "-"),
        "side": order.side.upper(),
        "order_configuration": {str(order.asked["kind"]): terms},
        "order_type": "MARKET" if order.asked["kind"] == "market_market_ioc" else "LIMIT",
        "status": STATES[order.status],
        "filled_size": str(order.filled),
        "average_filled_price": str(order.price) if order.filled else "0",
        "filled_value": str(order.filled * order.price),
        "total_fees": "0",
        "time_in_force": "IMMEDIATE_OR_CANCEL" if "ioc" in str(order.asked["kind"]) else "GOOD_UNTIL_CANCELLED",
        "created_time": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
    }


def _trade(order: Booked, now: datetime) -> dict[str, object]:
    return {
        "entry_id": f"e-{order.number}",
        "trade_id": f"t-{order.number}",
        "order_id": str(order.number),
        "trade_time": now.astimezone(UTC).isoformat().replace("+00:00", "Z"),
        "trade_type": "FILL",
        "price": str(order.price),
        "size": str(order.filled),
        "commission": "0",
        "product_id": order.symbol.replace("/", "-"),
        "size_in_quote": False,
        "side": order.side.upper(),
    }


def _candles(request: Request, book: Book, product: str) -> list[dict[str, str]]:
    length = {"ONE_MINUTE": 60, "FIFTEEN_MINUTE": 900, "ONE_HOUR": 3600, "ONE_DAY": 86_400}[
        request.query["granularity"]
    ]
    price = str(book.prices[_named(product)])
    first = -(-int(request.query["start"]) // length) * length
    times = list(range(first, int(request.query["end"]) + 1, length))[:300]
    row = {"low": price, "high": price, "open": price, "close": price, "volume": "3"}
    return [{"start": str(at), **row} for at in reversed(times)]
