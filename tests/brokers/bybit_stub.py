"""Bybit's spot REST of a unified account as far as ccxt asks for it: signatures, windows and units are checked as Bybit does."""

import hashlib
import hmac
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any

from tests.brokers.book import Book, Booked, DoubledError, RejectedError
from tests.brokers.server import Answer, Request, Venue

SECRET = "secret"
STATES = {"filled": "Filled", "open": "New", "cancelled": "Cancelled"}
_ID = re.compile(r"[A-Za-z0-9_-]{1,36}")


def bybit(book: Book) -> Callable[[Callable[[], datetime]], Venue]:
    """Return the venue over a book."""

    def made(clock: Callable[[], datetime]) -> Venue:
        return lambda request: _answer(request, book, int(clock().timestamp() * 1000))

    return made


def _told(result: object, now: int = 0) -> Answer:
    return Answer(200, {"retCode": 0, "retMsg": "OK", "result": result, "retExtInfo": {}, "time": now})


def _wrong(code: int, message: str) -> Answer:
    return Answer(200, {"retCode": code, "retMsg": message, "result": {}, "retExtInfo": {}})


def _answer(request: Request, book: Book, now: int) -> Answer:
    name = request.path.removeprefix("/v5/")
    given: dict[str, Any] = dict(request.query) or dict(request.body)
    if given.get("category", "spot") != "spot":
        return _wrong(10001, "only spot here")
    match request.method, name:
        case "GET", "market/instruments-info":
            return _told({"category": "spot", "list": [_symbol(one) for one in book.prices if one.endswith("/USDT")]})
        case "GET", "market/time":
            return _told({"timeSecond": str(now // 1000), "timeNano": f"{now}000000"}, now)
        case "GET", "market/tickers":
            price = str(book.prices[_named(book, given["symbol"])])
            ticker = {"symbol": given["symbol"], "lastPrice": price, "bid1Price": price, "ask1Price": price}
            return _told({"category": "spot", "list": [ticker]}, now)
        case "GET", "market/kline":
            return _told({"category": "spot", "symbol": given["symbol"], "list": _bars(given, book, now)})
    if refusal := _unsigned(request, now):
        return refusal
    return _private(request, name, given, book, now)


def _private(request: Request, name: str, given: dict[str, Any], book: Book, now: int) -> Answer:
    match request.method, name:
        case "GET", "account/wallet-balance":
            coins = {symbol.partition("/")[0]: held for symbol, held in book.held.items()}
            held = [
                {"coin": coin, "walletBalance": str(n), "equity": str(n), "locked": "0"}
                for coin, n in {"USDT": book.cash, **coins}.items()
            ]
            return _told({"list": [{"accountType": given["accountType"], "coin": held}]}, now)
        case "POST", "order/create":
            return _place(given, book, now)
        case "GET", "order/realtime" | "order/history":
            if number := given.get("orderId"):
                one = _order(book.numbered(int(number)), now)
                return _told({"category": "spot", "list": [one], "nextPageCursor": ""}, now)
            wanted = given.get("orderLinkId")
            is_open = name == "order/realtime"
            found = [
                _order(one, now)
                for one in book.listed
                if wanted in {None, one.client_id} and (one.status == "open") is is_open
            ]
            return _told({"category": "spot", "list": found, "nextPageCursor": ""}, now)
        case "GET", "execution/list":
            trades = [_trade(one, now) for one in book.traded()]
            return _told({"category": "spot", "list": trades, "nextPageCursor": ""}, now)
        case "POST", "order/amend":
            return _amend(given, book, now)
        case "POST", "order/cancel":
            order = book.numbered(int(given["orderId"]))
            if _is_untriggered(order) != (given.get("orderFilter") == "StopOrder"):
                return _wrong(170213, "Order does not exist.")
            order.status = "cancelled"
            return _told({"orderId": str(order.number), "orderLinkId": order.client_id}, now)
    return _wrong(10001, f"no route {request.method} {request.path}")


def _unsigned(request: Request, now: int) -> Answer | None:
    headers = request.headers
    at, window = headers.get("x-bapi-timestamp", "0"), headers.get("x-bapi-recv-window", "5000")
    text = f"{at}{headers.get('x-bapi-api-key')}{window}{request.raw}"
    if headers.get("x-bapi-sign") != hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).hexdigest():
        return _wrong(10004, "error sign! please check your signature generation algorithm.")
    if headers.get("x-bapi-api-key") != "key":
        return _wrong(10003, "API key is invalid.")
    if not now - int(window) <= int(at) < now + 1000:
        return _wrong(10002, "invalid request, please check your server timestamp or recv_window param")
    return None


def _named(book: Book, name: str) -> str:
    return next(symbol for symbol in book.prices if symbol.replace("/", "") == name)


def _symbol(symbol: str) -> dict[str, object]:
    base, quote = symbol.split("/")
    lot = {"basePrecision": "0.0001", "quotePrecision": "0.01", "minOrderQty": "0.0001", "maxOrderQty": "100"}
    return {
        "symbol": base + quote,
        "baseCoin": base,
        "quoteCoin": quote,
        "status": "Trading",
        "lotSizeFilter": {**lot, "minOrderAmt": "5", "maxOrderAmt": "4000000"},
        "priceFilter": {"tickSize": "0.1"},
    }


def _place(given: dict[str, Any], book: Book, now: int) -> Answer:
    is_limit = given["orderType"] == "Limit"
    if not _ID.fullmatch(given["orderLinkId"]):
        return _wrong(170130, "Data sent for parameter 'orderLinkId' is not valid.")
    if is_limit != ("price" in given):
        return _wrong(170210, "Order price is missing or not allowed")
    is_stop = given.get("orderFilter") == "StopOrder"
    if is_stop != ("triggerPrice" in given):
        return _wrong(170199, "triggerPrice goes with a conditional order")
    if not is_limit and given["side"] == "Buy" and given.get("marketUnit") != "baseCoin":
        return _wrong(170140, "the quantity of a market buy is in the quote coin")
    symbol = _named(book, given["symbol"])
    try:
        order = book.place(
            given["orderLinkId"],
            symbol,
            given["side"].lower(),
            float(given["qty"]),
            dict(given),
            waits=is_limit or is_stop,
        )
    except DoubledError:
        return _wrong(170141, "Duplicate clientOrderId.")
    except RejectedError:
        return _wrong(170131, "Insufficient balance.")
    return _told({"orderId": str(order.number), "orderLinkId": order.client_id}, now)


def _amend(given: dict[str, Any], book: Book, now: int) -> Answer:
    order = book.numbered(int(given["orderId"]))
    if order.status != "open" or ("triggerPrice" in given and not _is_untriggered(order)):
        return _wrong(170213, "Order does not exist.")
    names = ("price", "triggerPrice", "qty")
    if wrong := book.amend(order, {name: given[name] for name in names if name in given}, "qty"):
        return _wrong(170130, wrong)
    return _told({"orderId": str(order.number), "orderLinkId": order.client_id}, now)


def _is_untriggered(order: Booked) -> bool:
    return order.asked.get("orderFilter") == "StopOrder" and order.status == "open" and not order.filled


def _order(order: Booked, now: int) -> dict[str, object]:
    status = "PartiallyFilled" if order.status == "open" and order.filled else STATES[order.status]
    status = "Untriggered" if _is_untriggered(order) else status
    return {
        "orderId": str(order.number),
        "orderLinkId": order.client_id,
        "symbol": order.symbol.replace("/", ""),
        "side": order.side.capitalize(),
        "orderType": order.asked.get("orderType", "Market"),
        "marketUnit": order.asked.get("marketUnit", ""),
        "price": str(order.asked.get("price", "0")),
        "qty": str(order.quantity),
        "cumExecQty": str(order.filled),
        "cumExecValue": str(order.filled * order.price),
        "cumExecFee": str(order.fee),
        "avgPrice": str(order.price) if order.filled else "",
        "leavesQty": str(order.quantity - order.filled),
        "orderStatus": status,
        "timeInForce": order.asked.get("timeInForce", "GTC"),
        "createdTime": str(now),
        "updatedTime": str(now),
    }


def _trade(order: Booked, now: int) -> dict[str, str]:
    return {
        "symbol": order.symbol.replace("/", ""),
        "orderId": str(order.number),
        "orderLinkId": order.client_id,
        "side": order.side.capitalize(),
        "orderType": "Market",
        "execPrice": str(order.price),
        "execQty": str(order.filled),
        "execId": f"e-{order.number}",
        "execTime": str(now),
        "execFee": str(order.fee),
        "execType": "Trade",
        "orderPrice": "0",
        "orderQty": str(order.quantity),
        "leavesQty": "0",
    }


def _bars(given: dict[str, Any], book: Book, now: int) -> list[list[str]]:
    length = {"D": 86_400_000}.get(given["interval"]) or int(given["interval"]) * 60_000
    first = -(-int(given.get("start", now - 10 * length)) // length) * length
    price = str(book.prices[_named(book, given["symbol"])])
    times = list(range(first, now + 1, length))[: min(1000, int(given.get("limit", "200")))]
    return [[str(at), price, price, price, price, "3", "3"] for at in reversed(times)]
