"""Alpaca's REST as far as openbell uses it: orders, positions, account and clock, bars and trades."""

from collections.abc import Callable
from datetime import datetime, timedelta

from tests.brokers.book import Book, Booked, DoubledError, RejectedError
from tests.brokers.server import Answer, Request, Venue

STATUS = {"filled": "filled", "open": "new", "cancelled": "canceled"}


def alpaca(book: Book, *, is_open: Callable[[], bool] = lambda: True) -> Callable[[Callable[[], datetime]], Venue]:
    """Return the venue over a book."""

    def made(clock: Callable[[], datetime]) -> Venue:
        return lambda request: _answer(request, book, clock, is_open)

    return made


def _answer(request: Request, book: Book, clock: Callable[[], datetime], is_open: Callable[[], bool]) -> Answer:
    if request.headers.get("apca-api-key-id") != "key" or request.headers.get("apca-api-secret-key") != "secret":
        return Answer(401, {"code": 40110000, "message": "request is not authorized"})
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
        case "DELETE", path if path.startswith("/v2/orders/"):
            book.numbered(int(path.rpartition("-")[2])).status = "cancelled"
            return Answer(204)
        case "GET", "/v2/positions":
            return Answer(200, [_position(book, symbol) for symbol, held in book.held.items() if held])
        case "GET", "/v2/account":
            worth = sum(held * book.prices[symbol] for symbol, held in book.held.items())
            return Answer(200, {"cash": str(book.cash), "equity": str(book.cash + worth), "currency": "USD"})
        case "GET", "/v2/clock":
            opens = (clock() + timedelta(hours=9)).isoformat()
            return Answer(200, {"is_open": is_open(), "next_open": opens, "timestamp": clock().isoformat()})
        case "GET", "/v2/stocks/bars" | "/v1beta3/crypto/us/bars":
            return Answer(200, {"bars": _bars(request, book), "next_page_token": None})
        case "GET", "/v2/stocks/trades/latest" | "/v1beta3/crypto/us/latest/trades":
            symbol = request.query["symbols"]
            trades = {symbol: {"p": book.prices[symbol], "t": clock().isoformat()}} if symbol in book.prices else {}
            return Answer(200, {"trades": trades})
    return Answer(404, {"code": 40410000, "message": f"no route {request.method} {request.path}"})


def _place(request: Request, book: Book, now: datetime) -> Answer:
    body = request.body
    try:
        order = book.place(body["client_order_id"], body["symbol"], body["side"], float(body["qty"]))
    except DoubledError:
        return Answer(422, {"code": 40010001, "message": "client_order_id must be unique"})
    except RejectedError as error:
        status = 422 if "symbol" in str(error) else 403
        return Answer(status, {"code": 40310000, "message": str(error)})
    return Answer(200, {**_order(order, now), "status": "pending_new", "filled_qty": "0", "filled_avg_price": None})


def _order(order: Booked, now: datetime) -> dict[str, object]:
    status = "partially_filled" if order.status == "open" and order.filled else STATUS[order.status]
    return {
        "id": f"904837e3-3b76-47ec-b432-{order.number:012d}",
        "client_order_id": order.client_id,
        "symbol": order.symbol,
        "side": order.side,
        "qty": str(order.quantity),
        "filled_qty": str(order.filled),
        "filled_avg_price": str(order.price) if order.filled else None,
        "status": status,
        "submitted_at": now.strftime("%Y-%m-%dT%H:%M:%S.%f") + "789Z",
        "created_at": now.isoformat(),
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
    first = start.replace(hour=5, minute=0, second=0, microsecond=0)  # a day's bar begins at midnight in New York
    count = int((end - first) / length) + 1
    price = book.prices[symbol]
    return {
        symbol: [
            {"t": (first + length * step).isoformat(), "o": price, "h": price, "l": price, "c": price + step, "v": 10}
            for step in range(count)
            if first + length * step >= start
        ]
    }
