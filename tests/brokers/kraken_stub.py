"""Kraken's spot REST as far as ccxt asks for it: keys, nonces, ids and deadlines are checked as Kraken does."""

import re
from collections.abc import Callable
from datetime import datetime

from tests.brokers.book import Book, Booked, DoubledError, RejectedError
from tests.brokers.server import Answer, Request, Venue

STATUS = {"filled": "closed", "open": "open", "cancelled": "canceled"}
_ID = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[ -~]{1,18}")
PAIRS = {"XXBTZUSD": ("XXBT", "ZUSD", "BTC/USD")}


def kraken(book: Book) -> Callable[[Callable[[], datetime]], Venue]:
    """Return the venue over a book."""
    nonces = [0]

    def made(clock: Callable[[], datetime]) -> Venue:
        return lambda request: _answer(request, book, clock, nonces)

    return made


def _told(result: object) -> Answer:
    return Answer(200, {"error": [], "result": result})


def _wrong(error: str) -> Answer:
    return Answer(200, {"error": [error]})


def _answer(request: Request, book: Book, clock: Callable[[], datetime], nonces: list[int]) -> Answer:
    given, name = {**request.query, **request.body}, request.path.rpartition("/")[2]
    if request.path.startswith("/0/public/"):
        return _public(name, given, book, clock())
    if request.headers.get("api-key") != "key" or not request.headers.get("api-sign"):
        return _wrong("EAPI:Invalid key")
    if int(given["nonce"]) <= nonces[0]:
        return _wrong("EAPI:Invalid nonce")
    nonces[0] = int(given["nonce"])
    return _private(name, given, book, clock)


def _private(name: str, given: dict[str, str], book: Book, clock: Callable[[], datetime]) -> Answer:
    match name:
        case "BalanceEx":
            coins = {book.earns_as or "XXBT": sum(book.held.values())}
            return _told(
                {code: {"balance": str(n), "hold_trade": "0"} for code, n in {"ZUSD": book.cash, **coins}.items()}
            )
        case "AddOrder":
            return _place(given, book, clock())
        case "OpenOrders":
            return _told({"open": _listed(book, given, clock(), ("open",))})
        case "ClosedOrders":
            found = _listed(book, given, clock(), ("filled", "cancelled"))
            return _told({"closed": found, "count": len(found)})
        case "QueryOrders":
            return _told({given["txid"]: _order(book.numbered(int(given["txid"][1:])), clock())})
        case "TradesHistory":
            found = {f"T{one.number}": _trade(one, clock()) for one in book.traded()}
            return _told({"trades": found, "count": len(found)})
        case "AmendOrder":
            return _amend(given, book)
        case "CancelOrder":
            book.numbered(int(given["txid"][1:])).status = "cancelled"
            return _told({"count": 1})
    return _wrong("EGeneral:Unknown method")


def _public(name: str, given: dict[str, str], book: Book, now: datetime) -> Answer:
    match name:
        case "AssetPairs":
            return _told({pair: _pair(pair) for pair in PAIRS})
        case "Assets":
            return _told({})
        case "Ticker":
            price = str(book.prices[PAIRS[given["pair"]][2]])
            ticker = {
                "c": [price, "1"],
                **{key: [price, "1", "1"] for key in ("a", "b", "v", "p", "l", "h")},
                "o": price,
            }
            return _told({given["pair"]: ticker})
        case "OHLC":
            length = int(given["interval"]) * 60
            first = -(-(int(given.get("since", "0")) or int(now.timestamp()) - 10 * length) // length) * length
            price = str(book.prices[PAIRS[given["pair"]][2]])
            rows = [
                [at, price, price, price, price, price, "3", 1] for at in range(first, int(now.timestamp()) + 1, length)
            ]
            return _told({given["pair"]: rows[-720:], "last": rows[-1][0]})
    return _wrong("EGeneral:Unknown method")


def _pair(pair: str) -> dict[str, object]:
    base, quote, symbol = PAIRS[pair]
    return {
        "altname": symbol.replace("/", "").replace("BTC", "XBT"),
        "wsname": symbol,
        "base": base,
        "quote": quote,
        "pair_decimals": 1,
        "lot_decimals": 8,
        "lot_multiplier": 1,
        "leverage_buy": [],
        "leverage_sell": [],
        "fees": [[0, 0.26]],
        "fees_maker": [[0, 0.16]],
        "ordermin": "0.0001",
        "costmin": "0.5",
        "status": "online",
    }


def _place(given: dict[str, str], book: Book, now: datetime) -> Answer:
    if not _ID.fullmatch(given["cl_ord_id"]):
        return _wrong("EGeneral:Invalid arguments:cl_ord_id")
    if datetime.fromisoformat(given["deadline"]) < now:
        return _wrong("EService:Deadline elapsed")
    try:
        waits = given["ordertype"] != "market"
        is_trailing = given["ordertype"] == "trailing-stop"
        if waits and is_trailing != given.get("price", "").startswith("+"):
            return _wrong("EGeneral:Invalid arguments:price")
        order = book.place(
            given["cl_ord_id"], PAIRS[given["pair"]][2], given["type"], float(given["volume"]), dict(given), waits=waits
        )
    except DoubledError:
        return _wrong("EOrder:Duplicate client order id")
    except RejectedError:
        return _wrong("EOrder:Insufficient funds")
    return _told({"descr": {"order": f"{order.side} {order.quantity} XBTUSD @ market"}, "txid": [f"O{order.number}"]})


def _amend(given: dict[str, str], book: Book) -> Answer:
    order = book.numbered(int(given["txid"][1:]))
    if order.status != "open":
        return _wrong("EOrder:Unknown order")
    names = {"limit_price": "price", "trigger_price": "price", "order_qty": "volume"}
    if order.asked.get("ordertype") == "stop-loss-limit":
        names["limit_price"] = "price2"
    if wrong := book.amend(order, {old: given[new] for new, old in names.items() if new in given}, "volume"):
        return _wrong(f"EOrder:{wrong}")
    return _told({"amend_id": "TAAAAA-BBBBB-CCCCCC"})


def _listed(book: Book, given: dict[str, str], now: datetime, states: tuple[str, ...]) -> dict[str, object]:
    wanted = given.get("cl_ord_id")
    orders = [one for one in book.listed if one.status in states and wanted in {None, one.client_id}]
    return {f"O{one.number}": _order(one, now) for one in orders}


def _order(order: Booked, now: datetime) -> dict[str, object]:
    return {
        "status": STATUS[order.status],
        "cl_ord_id": order.client_id,
        "opentm": now.timestamp(),
        "descr": {
            "pair": "XBTUSD",
            "type": order.side,
            "ordertype": order.asked.get("ordertype", "market"),
            "price": order.asked.get("price", "0"),
            "price2": "0",
            "order": f"{order.side} {order.quantity} XBTUSD @ market",
        },
        "vol": str(order.quantity),
        "vol_exec": str(order.filled),
        "cost": str(order.filled * order.price),
        "fee": "0",
        "price": str(order.price),
        "oflags": "fciq",
    }


def _trade(order: Booked, now: datetime) -> dict[str, object]:
    return {
        "ordertxid": f"O{order.number}",
        "pair": next(iter(PAIRS)),
        "time": now.timestamp(),
        "type": order.side,
        "ordertype": "market",
        "price": str(order.price),
        "cost": str(order.filled * order.price),
        "fee": "0",
        "vol": str(order.filled),
        "margin": "0",
        "misc": "",
    }
