"""Alpaca's REST as far as openbell uses it: orders, positions, account and clock, bars and trades."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import unquote

from tests.brokers.book import Book, Booked, DoubledError, RejectedError
from tests.brokers.server import Answer, Request, Venue

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STATUS = {"filled": "filled", "open": "new", "cancelled": "canceled", "replaced": "replaced"}
ASSETS: dict[str, dict[str, object]] = {
    "BTC/USD": {"min_trade_increment": "0.0001", "min_order_size": "0.0001", "price_increment": "0.5"},
}


def alpaca(book: Book, *, is_open: Callable[[], bool] = lambda: True) -> Callable[[Callable[[], datetime]], Venue]:
    """Return the venue over a book."""

    def made(clock: Callable[[], datetime]) -> Venue:
        return lambda request: _answer(request, book, clock, is_open)

    return made


def _answer(request: Request, book: Book, clock: Callable[[], datetime], is_open: Callable[[], bool]) -> Answer:
    if request.headers.get("apca-api-key-id") != "key" or request.headers.get("apca-api-secret-key") != "secret":
        return Answer(401, {"code": 40110000, "message": "request is not authorized"})
    if request.path.startswith("/v2/orders"):
        return _orders(request, book, clock)
    if request.path.startswith("/v2/account"):
        return Answer(200, _activities(request, book) if request.path.endswith("/activities") else _account(book))
    if request.path == "/v1/corporate-actions":
        return _corporate_actions(request, book)
    if request.path.startswith(("/v2/stocks", "/v1beta3")):
        return _data(request, book, clock)
    match request.method, request.path:
        case "GET", path if path.startswith("/v2/assets/"):
            symbol = unquote(path.removeprefix("/v2/assets/"))
            if symbol not in book.prices:
                return Answer(404, {"code": 40410000, "message": f"asset not found for {symbol}"})
            return Answer(200, {"symbol": symbol, "fractionable": symbol != "WHOLE", **ASSETS.get(symbol, {})})
        case "GET", "/v2/positions":
            return Answer(200, [_position(book, symbol) for symbol, held in book.held.items() if held])
        case "GET", "/v2/clock":
            opens = (clock() + timedelta(hours=9)).isoformat()
            return Answer(200, {"is_open": is_open(), "next_open": opens, "timestamp": clock().isoformat()})
    return Answer(404, {"code": 40410000, "message": f"no route {request.method} {request.path}"})


def _orders(request: Request, book: Book, clock: Callable[[], datetime]) -> Answer:
    match request.method, request.path:
        case "POST", "/v2/orders":
            return _place(request, book, clock())
        case "GET", "/v2/orders:by_client_order_id":
            known = book.known(request.query["client_order_id"])
            return (
                Answer(200, _order(known, clock()))
                if known
                else Answer(404, {"code": 40410000, "message": "order not found"})
            )
        case "GET", path if path.startswith("/v2/orders/"):
            return Answer(
                200, _order(_named(book, path), clock(), nested=request.query.get("nested", "").lower() == "true")
            )
        case "PATCH", path if path.startswith("/v2/orders/"):
            return Answer(200, _order(book.replace(_named(book, path), dict(request.body)), clock()))
        case "DELETE", path if path.startswith("/v2/orders/"):
            book.numbered(int(path.rpartition("-")[2])).status = "cancelled"
            return Answer(204)
    return Answer(404, {"code": 40410000, "message": f"no route {request.method} {request.path}"})


def _data(request: Request, book: Book, clock: Callable[[], datetime]) -> Answer:
    match request.method, request.path:
        case "GET", "/v2/stocks/bars" | "/v1beta3/crypto/us/bars":
            return Answer(200, {"bars": _bars(request, book), "next_page_token": None})
        case "GET", "/v2/stocks/quotes/latest" | "/v1beta3/crypto/us/latest/quotes":
            symbol = request.query["symbols"]
            price = book.prices[symbol]
            quote = {"bp": price - 0.01, "ap": price + 0.01, "t": clock().isoformat()}
            return Answer(200, {"quotes": {symbol: quote}})
        case "GET", "/v2/stocks/trades/latest" | "/v1beta3/crypto/us/latest/trades":
            symbol = request.query["symbols"]
            trades = {symbol: {"p": book.prices[symbol], "t": clock().isoformat()}} if symbol in book.prices else {}
            return Answer(200, {"trades": trades})
    return Answer(404, {"message": f"no route {request.method} {request.path}"})


def _corporate_actions(request: Request, book: Book) -> Answer:
    symbols, kinds = (set(request.query[name].split(",")) for name in ("symbols", "types"))
    found: dict[str, list[dict[str, object]]] = {}
    for kind, one in book.corporate_actions:
        day = str(one["process_date"])
        is_asked = request.query["start"] <= day <= request.query["end"] and kind in kinds
        if is_asked and symbols & {one.get("symbol"), one.get("old_symbol")}:
            found.setdefault(f"{kind}s", []).append(one)
    return Answer(200, {"corporate_actions": found, "next_page_token": None})


def _account(book: Book) -> dict[str, object]:
    worth = sum(held * book.prices[symbol] for symbol, held in book.held.items())
    return {"cash": str(book.cash), "equity": str(book.cash + worth), "currency": "USD"}


def _activities(request: Request, book: Book) -> list[dict[str, object]]:
    kinds, after = request.query["activity_types"].split(","), request.query["after"]
    found = [one for one in book.activities if one["activity_type"] in kinds and str(one["date"]) > after]
    begin = next((n for n, one in enumerate(found, 1) if one["id"] == request.query.get("page_token")), 0)
    return found[begin : begin + int(request.query["page_size"])]


def _place(request: Request, book: Book, now: datetime) -> Answer:
    body = request.body
    try:
        wrong = _malformed(body)
        if wrong:
            return Answer(422, {"code": 42210000, "message": wrong})
        waits = body["type"] != "market" or body["time_in_force"] in {"opg", "cls"}
        symbol = body["symbol"]
        quantity = float(body["qty"]) if "qty" in body else round(float(body["notional"]) / book.prices[symbol], 9)
        order = book.place(body["client_order_id"], symbol, body["side"], quantity, dict(body), waits=waits)
        other = "sell" if body["side"] == "buy" else "buy"
        legs: Any = body
        match body.get("order_class"):
            case "bracket":
                book.leg(order, other, {"type": "limit", **legs["take_profit"]})
                book.leg(order, other, {"type": "stop", **legs["stop_loss"]})
            case "oco":
                book.leg(order, body["side"], {"type": "stop", **legs["stop_loss"]})
    except DoubledError:
        return Answer(422, {"code": 40010001, "message": "client_order_id must be unique"})
    except RejectedError as error:
        status = 422 if "symbol" in str(error) else 403
        return Answer(status, {"code": 40310000, "message": str(error)})
    return Answer(200, {**_order(order, now), "status": "pending_new", "filled_qty": "0", "filled_avg_price": None})


def _malformed(body: Mapping[str, Any]) -> str:
    """Return what Alpaca would say of an order that it does not take."""
    is_coin = "/" in body["symbol"]
    kinds = ("market", "limit", "stop_limit") if is_coin else ("market", "limit", "stop", "stop_limit", "trailing_stop")
    waits = ("gtc", "ioc") if is_coin else ("day", "gtc", "opg", "cls", "ioc", "fok")
    if body["type"] not in kinds:
        return f"invalid order type {body['type']} for this asset"
    if body["time_in_force"] not in waits:
        return f"invalid time_in_force {body['time_in_force']} for this asset"
    needed = {"limit": ["limit_price"], "stop": ["stop_price"], "stop_limit": ["limit_price", "stop_price"]}
    for name in needed.get(body["type"], []) if body.get("order_class") != "oco" else []:
        if name not in body:
            return f"{name} is required"
        if float(body[name]) >= 1 and round(float(body[name]), 2) != float(body[name]):
            return f"invalid {name}: sub-penny increment does not fulfill minimum pricing criteria"
    if body.get("extended_hours") and (body["type"], body["time_in_force"]) != ("limit", "day"):
        return "extended hours order must be DAY limit orders"
    if body["type"] == "trailing_stop" and ("trail_price" in body) == ("trail_percent" in body):
        return "trailing stop orders must specify one of trail_price or trail_percent"
    return _wrong_amount(body, is_coin=is_coin)


def _wrong_amount(body: Mapping[str, Any], *, is_coin: bool) -> str:
    if ("qty" in body) == ("notional" in body):
        return "one of qty and notional is required"
    if "notional" in body:
        value = float(body["notional"])
        if (
            value < 1
            or round(value, 2) != value
            or body["type"] != "market"
            or not (is_coin or body["time_in_force"] == "day")
        ):
            return "notional must be limited to 2 decimal places, for market orders of the day"
        return ""
    is_fraction = float(body["qty"]) != int(float(body["qty"]))
    return (
        "fractional orders must be DAY orders" if is_fraction and not is_coin and body["time_in_force"] != "day" else ""
    )


def _named(book: Book, path: str) -> Booked:
    return book.numbered(int(path.rpartition("-")[2]))


def _order(order: Booked, now: datetime, *, nested: bool = False) -> dict[str, object]:
    status = "partially_filled" if order.status == "open" and order.filled else STATUS[order.status]
    return {
        "id": f"904837e3-3b76-47ec-b432-{order.number:012d}",
        "client_order_id": order.client_id,
        "symbol": order.symbol,
        "side": order.side,
        "qty": None if "notional" in order.asked else str(order.quantity),
        "notional": order.asked.get("notional"),
        "filled_qty": str(order.filled),
        "filled_avg_price": str(order.price) if order.filled else None,
        "status": status,
        "submitted_at": now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z",
        "created_at": now.isoformat(),
        "type": order.asked.get("type", "market"),
        "time_in_force": order.asked.get("time_in_force", "day"),
        "replaced_by": f"904837e3-3b76-47ec-b432-{order.replaced_by:012d}" if order.replaced_by else None,
        "legs": [_order(one, now) for one in order.legs] if nested else None,
    }


def _position(book: Book, symbol: str) -> dict[str, object]:
    is_coin = "/" in symbol
    return {
        "symbol": symbol.replace("/", ""),
        "asset_class": "crypto" if is_coin else "us_equity",
        "qty": str(book.held[symbol]),
        "avg_entry_price": str(book.prices[symbol]),
        "current_price": str(book.prices[symbol]),
    }


def _bars(request: Request, book: Book) -> dict[str, list[dict[str, object]]]:
    symbol, unit = request.query["symbols"], request.query["timeframe"]
    if symbol not in book.prices:
        return {}
    start, end = (datetime.fromisoformat(request.query[name]) for name in ("start", "end"))
    length = {"Min": timedelta(minutes=1), "Hour": timedelta(hours=1), "Day": timedelta(days=1)}[
        unit.lstrip("0123456789")
    ]
    length *= int("".join(one for one in unit if one.isdigit()) or 1)
    first = start - (start - EPOCH) % length
    if unit.endswith("Day"):
        first = start.replace(hour=5, minute=0, second=0, microsecond=0)  # it begins at midnight in New York
    count = int((end - first) / length) + 1
    price = book.prices[symbol]
    opened = [first + length * step for step in range(count) if start <= first + length * step <= end]
    # A bar's close tells which one it is, whatever was asked for.
    closes = [price * (1 + (at - EPOCH) // length % 100 / 1000) for at in opened]
    return {
        symbol: [
            {"t": at.isoformat(), "o": price, "h": close, "l": price, "c": close, "v": 10}
            for at, close in zip(opened, closes, strict=True)
        ]
    }
