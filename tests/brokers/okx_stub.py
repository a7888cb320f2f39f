"""OKX's spot REST as far as ccxt asks for it: signatures, the passphrase, ids and trade modes are checked as OKX does."""

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from tests.brokers.book import Book, Booked, DoubledError, RejectedError
from tests.brokers.server import Answer, Request, Venue

SECRET, PASSPHRASE = "secret", "phrase"
TRIGGERED = 10_000  # what is added to the number of an order once its price was reached
STATES = {"filled": "filled", "open": "live", "cancelled": "canceled", "failed": "order_failed"}
_ID = re.compile(r"[A-Za-z0-9]{1,32}")


def okx(book: Book) -> Callable[[Callable[[], datetime]], Venue]:
    """Return the venue over a book."""

    def made(clock: Callable[[], datetime]) -> Venue:
        return lambda request: _answer(request, book, int(clock().timestamp() * 1000))

    return made


def _told(*data: object) -> Answer:
    return Answer(200, {"code": "0", "msg": "", "data": list(data)})


def _wrong(code: str, message: str) -> Answer:
    return Answer(200, {"code": code, "msg": message, "data": []})


def _answer(request: Request, book: Book, now: int) -> Answer:
    name = request.path.removeprefix("/api/v5/")
    _tend_exits(book)
    match request.method, name:
        case "GET", "public/instruments":
            return _told(*(_instrument(symbol) for symbol in book.prices if symbol.endswith("/USDT")))
        case "GET", "public/time":
            return _told({"ts": str(now)})
        case "GET", "market/ticker":
            price = str(book.prices[_named(request.query["instId"])])
            return _told(
                {"instId": request.query["instId"], "last": price, "bidPx": price, "askPx": price, "ts": str(now)}
            )
        case "GET", "market/candles" | "market/history-candles":
            return _told(*_candles(request, book, now))
    if refusal := _unsigned(request, now):
        return refusal
    return _private(request, name, book, now)


def _private(request: Request, name: str, book: Book, now: int) -> Answer:
    match request.method, name:
        case "GET", "account/balance":
            coins = {symbol.partition("/")[0]: held for symbol, held in book.held.items()}
            details = [
                {"ccy": ccy, "eq": str(n), "availBal": str(n)} for ccy, n in {"USDT": book.cash, **coins}.items()
            ]
            return _told({"uTime": str(now), "details": details})
        case "POST", "trade/batch-orders":
            return _place(json.loads(request.raw)[0], book)
        case "POST", "trade/amend-order" | "trade/amend-algos":
            return _amend(json.loads(request.raw), book)
        case _, "trade/order-algo" | "trade/cancel-algos":
            return _algo(request, name, book, now)
        case "GET", "trade/order":
            if "clOrdId" in request.query:
                known = book.known(request.query["clOrdId"])
                known = None if known and _is_algo(known) else known
            else:
                known = _numbered(book, request.query["ordId"])
            return (
                _with_change(known, book, _told(_order(known, now)))
                if known
                else _wrong("51603", "Order does not exist")
            )
        case "GET", "trade/fills-history":
            return _told(*(_trade(one, now) for one in book.traded()))
        case "POST", "trade/cancel-order":
            number = json.loads(request.raw)["ordId"]
            if (order := _numbered(book, number)) is None:
                failed = {"ordId": number, "clOrdId": "", "sCode": "51400", "sMsg": "Cancellation failed"}
                return Answer(200, {"code": "1", "msg": "All operations failed", "data": [failed]})
            order.status = "cancelled"
            _tend_exits(book)
            return _told({"ordId": str(order.number), "clOrdId": order.client_id, "sCode": "0", "sMsg": ""})
    return _wrong("50000", f"no route {request.method} {request.path}")


def _unsigned(request: Request, now: int) -> Answer | None:
    headers = request.headers
    query = f"?{urlencode(request.query)}" if request.method == "GET" and request.query else ""
    body = request.raw if request.method != "GET" else ""
    text = f"{headers.get('ok-access-timestamp')}{request.method}{request.path}{query}{body}"
    signature = base64.b64encode(hmac.new(SECRET.encode(), text.encode(), hashlib.sha256).digest()).decode()
    if headers.get("ok-access-key") != "key" or headers.get("ok-access-sign") != signature:
        return Answer(401, {"code": "50113", "msg": "Invalid Sign", "data": []})
    at = datetime.fromisoformat(headers["ok-access-timestamp"]).timestamp() * 1000
    if abs(at - now) > 30_000:
        return Answer(401, {"code": "50102", "msg": "Timestamp request expired", "data": []})
    if headers.get("ok-access-passphrase") != PASSPHRASE:
        return Answer(401, {"code": "50105", "msg": "OK-ACCESS-PASSPHRASE incorrect", "data": []})
    return None


def _named(instrument: str) -> str:
    return instrument.replace("-", "/")


def _instrument(symbol: str) -> dict[str, str]:
    base, quote = symbol.split("/")
    told = {"instType": "SPOT", "instId": f"{base}-{quote}", "baseCcy": base, "quoteCcy": quote, "state": "live"}
    return {**told, "tickSz": "0.1", "lotSz": "0.0001", "minSz": "0.0001", "maxLmtSz": "9999999", "lever": "10"}


def _place(body: dict[str, Any], book: Book) -> Answer:
    def rejected(code: str, message: str) -> Answer:
        data = {"clOrdId": body["clOrdId"], "ordId": "", "sCode": code, "sMsg": message}
        return Answer(200, {"code": "1", "msg": "All operations failed", "data": [data]})

    attached = body.get("attachAlgoOrds", [])
    if wrong := _problem(body, attached):
        return rejected(*wrong)
    try:
        waits = body["ordType"] != "market"
        order = book.place(
            body["clOrdId"], _named(body["instId"]), body["side"], float(body["sz"]), dict(body), waits=waits
        )
    except DoubledError:
        return rejected("51016", "Client order ID already exists")
    except RejectedError:
        return rejected("51008", "Order failed. Insufficient USDT balance in account")
    for exits in attached:
        book.leg(order, "sell", {"ordType": "oco", **exits}, exits["attachAlgoClOrdId"], "pending")
    return _told(
        {"clOrdId": order.client_id, "ordId": str(order.number), "sCode": "0", "sMsg": "Order placed", "tag": ""}
    )


def _problem(body: dict[str, Any], attached: list[dict[str, Any]]) -> tuple[str, str] | None:
    """Return the code and text of what is wrong with an order."""
    names = [body["clOrdId"], *(exits.get("attachAlgoClOrdId", "") for exits in attached)]
    if not all(map(_ID.fullmatch, names)):
        return "51000", "Parameter clOrdId error"
    if body["tdMode"] != "cash":
        return "51000", "Parameter tdMode error"
    if body["ordType"] == "market" and body["side"] == "buy" and body.get("tgtCcy") != "base_ccy":
        return "51000", "the size of a market buy is in the quote currency"
    if (body["ordType"] == "market") == ("px" in body):
        return "51000", "Parameter px error"
    return next(filter(None, (_exits_problem(exits, float(body["px"])) for exits in attached)), None)


def _is_algo(order: Booked) -> bool:
    """Tell whether an order waits for a price, or has."""
    return order.asked.get("ordType") in {"trigger", "oco"}


def _exits_problem(exits: dict[str, Any], price: float) -> tuple[str, str] | None:
    """Return the code and text of what is wrong with two exits that sell what is worth `price`."""
    if not {"tpTriggerPx", "tpOrdPx", "slTriggerPx", "slOrdPx"} <= exits.keys():
        return "51000", "Parameter error"
    if float(exits["tpTriggerPx"]) <= price:
        return "51279", "TP trigger price can not be lower than the last price"
    if float(exits["slTriggerPx"]) >= price:
        return "51280", "SL trigger price can not be higher than the last price"
    return None


def _tend_exits(book: Book) -> None:
    """Make attached exits an order of their own once all of their entry has filled."""
    for order in [one for one in book.orders if one.legs]:
        for leg in order.legs:
            if leg.status == "pending":
                leg.status = {"filled": "open", "cancelled": "gone"}.get(order.status, "pending")


def _numbered(book: Book, number: str) -> Booked | None:
    """Return an order; what a reached price has made of one that waited has a number of its own."""
    order = book.numbered(int(number) % TRIGGERED)
    return order if _is_algo(order) == (int(number) > TRIGGERED) else None


def _amend(body: dict[str, Any], book: Book) -> Answer:
    """Accept a change; it is applied after the next query of the order, which still shows the order without it."""
    order = book.numbered(int(body["algoId"])) if "algoId" in body else _numbered(book, body["ordId"])
    if order is None or order.status != "open" or _is_algo(order) != ("algoId" in body):
        failed = {"sCode": "51503", "sMsg": "Your order has already been filled or canceled."}
        return Answer(200, {"code": "1", "msg": "All operations failed", "data": [failed]})
    names = {"newSz": "sz", "newPx": "px", "newOrdPx": "orderPx", "newTriggerPx": "triggerPx"}
    order.asked["change"] = {old: body[new] for new, old in names.items() if new in body}
    return _told({"ordId": body.get("ordId", ""), "algoId": body.get("algoId", ""), "sCode": "0", "sMsg": ""})


def _with_change(order: Booked, book: Book, answer: Answer) -> Answer:
    """Apply a change that was accepted before, after the answer that still shows the order without it."""
    if change := order.asked.pop("change", None):
        book.amend(order, dict(change), "sz")  # type: ignore[call-overload]
    return answer


def _algo(request: Request, name: str, book: Book, now: int) -> Answer:
    if name == "trade/cancel-algos":
        (one,) = json.loads(request.raw)
        order = book.numbered(int(one["algoId"]))
        order.status = "cancelled"
        return _told({"algoId": one["algoId"], "sCode": "0", "sMsg": ""})
    if request.method == "POST":
        body = json.loads(request.raw)
        symbol, is_pair = _named(body["instId"]), body["ordType"] == "oco"
        if not _ID.fullmatch(body.get("algoClOrdId", "")) or body["tdMode"] != "cash":
            return _wrong("51000", "Parameter error")
        if not is_pair and ("triggerPx" not in body or "orderPx" not in body):
            return _wrong("51000", "Parameter error")
        if is_pair and (wrong := _exits_problem(body, book.prices[symbol])):
            return _wrong(*wrong)
        try:
            order = book.place(body["algoClOrdId"], symbol, body["side"], float(body["sz"]), body, waits=True)
        except DoubledError:
            return _wrong("51065", "algoClOrdId already exists")
        except RejectedError:
            return _wrong("51008", "Order failed. Insufficient USDT balance in account")
        told = {"algoId": str(order.number), "clOrdId": "", "algoClOrdId": order.client_id, "sCode": "0", "sMsg": ""}
        return _told(told)
    known = book.known(request.query["algoClOrdId"])
    if known is None or not _is_algo(known) or known.status in {"pending", "gone"}:
        return _wrong("51603", "Order does not exist")
    state = "effective" if known.filled else STATES[known.status]
    algo = {**_order(known, now), "algoId": str(known.number), "algoClOrdId": known.client_id, "clOrdId": ""}
    empty = {
        "accFillSz": "",
        "avgPx": "",
        "fee": "",
        "state": state,
        "triggerPx": str(known.asked.get("triggerPx", "")),
    }
    number = str(known.number + TRIGGERED) if known.filled else ""
    whole = {**algo, **empty, "ordId": number, "ordIdList": [number] if number else []}
    return _with_change(known, book, _told(whole))


def _order(order: Booked, now: int) -> dict[str, str]:
    state = "partially_filled" if order.status == "open" and order.filled else STATES[order.status]
    return {
        "instType": "SPOT",
        "instId": order.symbol.replace("/", "-"),
        "ordId": str(order.number + (TRIGGERED if _is_algo(order) else 0)),
        "clOrdId": "" if _is_algo(order) else order.client_id,
        "algoClOrdId": order.client_id if _is_algo(order) else "",
        "side": order.side,
        "ordType": str(order.asked.get("ordType", "market")),
        "px": str(order.asked.get("px", "")),
        "sz": str(order.quantity),
        "accFillSz": str(order.filled),
        "avgPx": str(order.price) if order.filled else "",
        "state": state,
        "fee": str(-order.fee),
        "feeCcy": order.symbol.partition("/")[0],
        "tgtCcy": str(order.asked.get("tgtCcy", "")),
        "cTime": str(now),
        "uTime": str(now),
    }


def _trade(order: Booked, now: int) -> dict[str, str]:
    return {
        "instType": "SPOT",
        "instId": order.symbol.replace("/", "-"),
        "tradeId": str(order.number),
        "ordId": str(order.number),
        "clOrdId": order.client_id,
        "fillPx": str(order.price),
        "fillSz": str(order.filled),
        "side": order.side,
        "fee": str(-order.fee),
        "feeCcy": order.symbol.partition("/")[0],
        "execType": "T",
        "ts": str(now),
    }


def _candles(request: Request, book: Book, now: int) -> list[list[str]]:
    bar = request.query["bar"]
    length = {"m": 60_000, "H": 3_600_000, "D": 86_400_000}[bar.removesuffix("utc")[-1]] * int(
        bar.removesuffix("utc")[:-1]
    )
    before, after = (int(request.query.get(name, default)) for name, default in (("before", "0"), ("after", str(now))))
    price = str(book.prices[_named(request.query["instId"])])
    newest = min(after - 1, now) // length * length
    times = range(newest, before, -length)[: int(request.query.get("limit", "100"))]
    return [[str(at), price, price, price, price, "3", "3", "3", "1"] for at in times]
