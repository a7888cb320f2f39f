"""Binance's spot REST as far as ccxt asks for it: signatures, timestamps and ids are checked as Binance does."""

import hashlib
import hmac
from collections.abc import Callable
from datetime import datetime

from tests.brokers.book import Book, Booked, DoubledError, RejectedError
from tests.brokers.server import Answer, Request, Venue

SECRET = "binance secret"
STATUS = {"filled": "FILLED", "open": "NEW", "pending": "PENDING_NEW", "cancelled": "CANCELED", "expired": "EXPIRED"}
STEP = 0.0001
FILTERS = [
    {"filterType": "PRICE_FILTER", "minPrice": "0.01", "maxPrice": "1000000", "tickSize": "0.01"},
    {"filterType": "LOT_SIZE", "minQty": "0.00010", "maxQty": "9000", "stepSize": "0.00010"},
    {"filterType": "NOTIONAL", "minNotional": "10", "applyMinToMarket": True},
]


def binance(book: Book) -> Callable[[Callable[[], datetime]], Venue]:
    """Return the venue over a book."""

    def made(clock: Callable[[], datetime]) -> Venue:
        return lambda request: _answer(request, book, clock)

    return made


def _answer(request: Request, book: Book, clock: Callable[[], datetime]) -> Answer:
    given = {**request.query, **request.body}
    now = int(clock().timestamp() * 1000)
    _tend_lists(book)
    match request.method, request.path:
        case "GET", "/api/v3/time":
            return Answer(200, {"serverTime": now})
        case "GET", "/api/v3/exchangeInfo":
            return Answer(
                200, {"symbols": [_symbol(symbol, symbol in book.halted) for symbol in book.prices if "/" in symbol]}
            )
        case "GET", "/api/v3/ticker/24hr":
            symbol = _named(book, given["symbol"])
            return Answer(200, {"symbol": given["symbol"], "lastPrice": str(book.prices[symbol]), "closeTime": now})
        case "GET", "/api/v3/klines":
            return Answer(200, _bars(given, book, now))
    return _unsigned(request, given, now) or _private(request, given, book, now)


def _private(request: Request, given: dict[str, str], book: Book, now: int) -> Answer:
    match request.method, request.path:
        case "GET", "/api/v3/account":
            coins = {symbol.partition("/")[0]: held for symbol, held in book.held.items()}
            balances = {"USDT": book.cash, **coins}
            return Answer(
                200, {"balances": [{"asset": name, "free": str(n), "locked": "0"} for name, n in balances.items()]}
            )
        case "POST", "/api/v3/order":
            return _place(given, book, now)
        case "POST", "/api/v3/orderList/oco" | "/api/v3/orderList/opoco":
            return _place_list(given, book, now, is_pair=request.path.endswith("/oco"))
        case "GET", "/api/v3/order":
            number = given.get("orderId")
            known = book.numbered(int(number)) if number else book.known(given["origClientOrderId"])
            return (
                Answer(200, _order(known, now))
                if known
                else Answer(400, {"code": -2013, "msg": "Order does not exist."})
            )
        case "GET", "/api/v3/myTrades":
            return Answer(200, [_trade(one, now) for one in book.traded()])
        case "DELETE", "/api/v3/order":
            order = book.numbered(int(given["orderId"]))
            for one in _list_of(book, order):  # the whole of it
                one.status = "cancelled" if one.status in {"open", "pending"} else one.status
            return Answer(200, _order(order, now))
    return Answer(404, {"code": -1, "msg": f"no route {request.method} {request.path}"})


def _unsigned(request: Request, given: dict[str, str], now: int) -> Answer | None:
    signed, _, signature = request.raw.rpartition("&signature=")
    expected = hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).hexdigest()
    if request.headers.get("x-mbx-apikey") != "key" or signature != expected:
        return Answer(401, {"code": -2015, "msg": "Invalid API-key, IP, or permissions for action."})
    at, window = int(given["timestamp"]), int(given.get("recvWindow", "5000"))
    if not now - window <= at <= now + 1000:
        return Answer(400, {"code": -1021, "msg": "Timestamp for this request is outside of the recvWindow."})
    return None


def _named(book: Book, name: str) -> str:
    return next(symbol for symbol in book.prices if symbol.replace("/", "") == name)


def _symbol(symbol: str, is_halted: bool) -> dict[str, object]:
    base, quote = symbol.split("/")
    return {
        "symbol": base + quote,
        "status": "BREAK" if is_halted else "TRADING",
        "baseAsset": base,
        "quoteAsset": quote,
        "baseAssetPrecision": 8,
        "quotePrecision": 8,
        "isSpotTradingAllowed": True,
        "ocoAllowed": True,
        "otoAllowed": True,
        "opoAllowed": symbol != "ETH/USDT",
        "permissions": ["SPOT"],
        "filters": FILTERS,
        "orderTypes": ["LIMIT", "MARKET", "STOP_LOSS", "STOP_LOSS_LIMIT"],
    }


def _place(given: dict[str, str], book: Book, now: int) -> Answer:
    kind, is_limit = given["type"], given["type"] in {"LIMIT", "STOP_LOSS_LIMIT"}
    if is_limit != ("price" in given) or is_limit != ("timeInForce" in given):
        return Answer(400, {"code": -1102, "msg": "Mandatory parameter 'price' or 'timeInForce' was not sent."})
    if kind.startswith("STOP_LOSS") != ("stopPrice" in given):
        return Answer(400, {"code": -1102, "msg": "Mandatory parameter 'stopPrice' was not sent."})
    try:
        order = book.place(
            given["newClientOrderId"],
            _named(book, given["symbol"]),
            given["side"].lower(),
            float(given["quantity"]),
            dict(given),
            waits=kind != "MARKET",
        )
    except DoubledError:
        return Answer(400, {"code": -2010, "msg": "Duplicate order sent."})
    except RejectedError:
        return Answer(400, {"code": -2010, "msg": "Account has insufficient balance for requested action."})
    fill = {
        "price": str(order.price),
        "qty": str(order.filled),
        "commission": str(order.fee),
        "commissionAsset": order.symbol.partition("/")[0],
    }
    return Answer(200, {**_order(order, now), "transactTime": now, "fills": [fill] if order.filled else []})


def _place_list(given: dict[str, str], book: Book, now: int, *, is_pair: bool) -> Answer:
    """Take an OCO, or an entry whose exits sell what it receives; ids are given to each order, and prices are on the right sides."""
    symbol = _named(book, given["symbol"])
    above, below = ("above", "below") if is_pair else ("pendingAbove", "pendingBelow")
    if (given[f"{above}Type"], given[f"{below}Type"]) != ("LIMIT_MAKER", "STOP_LOSS"):
        return Answer(400, {"code": -1106, "msg": "Parameter sent when not required."})
    if not is_pair and ("pendingQuantity" in given or (given["workingSide"], given["pendingSide"]) != ("BUY", "SELL")):
        return Answer(400, {"code": -1104, "msg": "Not all sent parameters were read."})
    profit, loss = float(given[f"{above}Price"]), float(given[f"{below}StopPrice"])
    price = book.prices[symbol] if is_pair else float(given["workingPrice"])
    if not loss < price < profit:
        return Answer(400, {"code": -2010, "msg": "The relationship of the prices for the orders is not correct."})
    gain = {"type": "LIMIT_MAKER", "price": given[f"{above}Price"]}
    stop = {"type": "STOP_LOSS", "stopPrice": given[f"{below}StopPrice"]}
    entry = gain if is_pair else {"type": given["workingType"], "price": given["workingPrice"]}
    named = given[f"{above}ClientOrderId"] if is_pair else given["workingClientOrderId"]
    side, quantity = (given["side"], given["quantity"]) if is_pair else ("BUY", given["workingQuantity"])
    try:
        order = book.place(named, symbol, side.lower(), float(quantity), dict(entry), waits=True)
    except DoubledError:
        return Answer(400, {"code": -2010, "msg": "Duplicate order sent."})
    except RejectedError:
        return Answer(400, {"code": -2010, "msg": "Account has insufficient balance for requested action."})
    status = "open" if is_pair else "pending"
    if not is_pair:
        book.leg(order, "sell", dict(gain), given[f"{above}ClientOrderId"], status)
    book.leg(order, "sell", dict(stop), given[f"{below}ClientOrderId"], status)
    whole = [order, *order.legs]
    orders = [{"symbol": given["symbol"], "orderId": one.number, "clientOrderId": one.client_id} for one in whole]
    told = {"orderListId": order.number, "contingencyType": "OCO" if is_pair else "OTO", "symbol": given["symbol"]}
    reports = [{**_order(one, now), "transactTime": now} for one in whole]
    return Answer(200, {**told, "orders": orders, "orderReports": reports})


def _list_of(book: Book, order: Booked) -> list[Booked]:
    """Return the orders of an order's list, or the order alone."""
    lists = ([one, *one.legs] for one in book.orders if one.legs)
    return next((whole for whole in lists if order in whole), [order])


def _tend_lists(book: Book) -> None:
    """Do what the matching engine does with lists: exits wait for a whole entry, and one that fills ends the other."""
    for order in [one for one in book.orders if one.legs]:
        is_pair = order.asked["type"] == "LIMIT_MAKER"
        if not is_pair and order.status == "filled":
            for leg in (one for one in order.legs if one.status == "pending"):
                leg.quantity = float(f"{int(round((order.filled - order.fee) / STEP, 6)) * STEP:.4f}")
                leg.status = "open"
        exits = [order, *order.legs] if is_pair else order.legs
        if any(one.filled for one in exits):
            for one in exits:
                one.status = "expired" if not one.filled and one.status == "open" else one.status


def _order(order: Booked, now: int) -> dict[str, object]:
    status = "PARTIALLY_FILLED" if order.status == "open" and order.filled else STATUS[order.status]
    return {
        "symbol": order.symbol.replace("/", ""),
        "orderId": order.number,
        "clientOrderId": order.client_id,
        "price": order.asked.get("price", "0.00"),
        **({} if order.status == "pending" else {"origQty": str(order.quantity)}),
        "executedQty": str(order.filled),
        "cummulativeQuoteQty": str(order.filled * order.price),
        "status": status,
        "type": order.asked.get("type", "MARKET"),
        "side": order.side.upper(),
        "time": now,
        "updateTime": now,
    }


def _trade(order: Booked, now: int) -> dict[str, object]:
    return {
        "symbol": order.symbol.replace("/", ""),
        "id": order.number,
        "orderId": order.number,
        "price": str(order.price),
        "qty": str(order.filled),
        "quoteQty": str(order.filled * order.price),
        "commission": str(order.fee),
        "commissionAsset": order.symbol.partition("/")[0],
        "time": now,
        "isBuyer": order.side == "buy",
        "isMaker": False,
    }


def _bars(given: dict[str, str], book: Book, now: int) -> list[list[object]]:
    length = {"m": 60_000, "h": 3_600_000, "d": 86_400_000}[given["interval"][-1]] * int(given["interval"][:-1])
    first = -(-int(given.get("startTime", str(now - 10 * length))) // length) * length
    price = str(book.prices[_named(book, given["symbol"])])
    times = range(first, now + 1, length)[: min(1000, int(given["limit"]))]
    return [[at, price, price, price, price, "3", at + length - 1, "0", 1, "0", "0", "0"] for at in times]
