"""Brackets and pairs of exits as the exchanges keep them. Where an exchange is not here, the table of abilities refuses them.

Binance has them as a list of orders and lets us name each, so every leg is found, followed and cancelled by an id of ours.
Coinbase and OKX have both exits as one order; its fills count for the exit that takes the profit, and the price says which one it was.
"""

from collections.abc import Callable, Mapping
from typing import Any

from openbell.order_terms import STOP_LOSS, TAKE_PROFIT, leg_id
from openbell.trading.brokers import exchange_search
from openbell.trading.brokers.exchange_requests import venue_id
from openbell.trading.orders import Order
from openbell.trading.venues.exchange import Venue

Answer = Mapping[str, Any]
_BINANCE_SAYS = {True: ("ocoAllowed",), False: ("ocoAllowed", "otoAllowed", "opoAllowed")}  # for a pair, for a bracket
_AT_COINBASE = "trigger_bracket_gtc"


def problem(name: str, order: Order, told: Mapping[str, object]) -> str:
    """Return why an exchange cannot take a bracket or pair, or an empty string. told: what it says of the symbol."""
    if not order.terms.is_pair and order.side != "buy":
        return f"{name} takes brackets only for purchases"
    needed = _BINANCE_SAYS[order.terms.is_pair] if name == "binance" else ()
    if missing := [one for one in needed if not told.get(one)]:
        return f"{name} takes no such order of {order.symbol}: it does not set {', '.join(missing)} for it"
    return ""


def create(name: str, client: Any, order: Order, quantity: float, known: Mapping[str, object]) -> Any:
    """Send a bracket or pair, and return the order that the rest of it belongs to, as the library reads it."""
    if name == "coinbase":
        return _create_at_coinbase(client, order, quantity, known)
    if name == "okx":
        return _create_at_okx(client, order, quantity, known)
    market, terms = client.market(order.symbol), order.terms
    given = {"symbol": market["id"], "timestamp": known["timestamp"]}
    amount = client.amount_to_precision(order.symbol, quantity)
    if terms.is_pair:
        exits = _exits(client, order, terms.limit, order.client_order_id, ("above", "below"))
        answer = client.privatePostOrderListOco({**given, "side": order.side.upper(), "quantity": amount, **exits})
    else:
        # The exits sell what the entry has received: with a quantity of their own, equal to the entry's, they would be
        # rejected where the exchange keeps its fee from what was bought.
        entry = {
            "workingType": "LIMIT",
            "workingSide": order.side.upper(),
            "workingPrice": client.price_to_precision(order.symbol, terms.limit),
            "workingQuantity": amount,
            "workingTimeInForce": "GTC",
            "workingClientOrderId": order.client_order_id,
            "pendingSide": "SELL",
        }
        named = leg_id(order.client_order_id, TAKE_PROFIT)
        exits = _exits(client, order, terms.take_profit, named, ("pendingAbove", "pendingBelow"))
        answer = client.privatePostOrderListOpoco({**given, **entry, **exits})
    reports = {one["clientOrderId"]: one for one in answer["orderReports"]}
    return client.parse_order(reports[order.client_order_id], market)


def _exits(client: Any, order: Order, profit: float | None, named: str, where: tuple[str, str]) -> dict[str, object]:
    """Return the two exits of a position that was bought: the profit is above, the loss below."""
    above, below = where
    return {
        f"{above}Type": "LIMIT_MAKER",
        f"{above}Price": client.price_to_precision(order.symbol, profit),
        f"{above}ClientOrderId": named,
        f"{below}Type": "STOP_LOSS",
        f"{below}StopPrice": client.price_to_precision(order.symbol, order.terms.stop_loss),
        f"{below}ClientOrderId": leg_id(order.client_order_id, STOP_LOSS),
    }


def _create_at_coinbase(client: Any, order: Order, quantity: float, known: Mapping[str, object]) -> Any:
    symbol, terms = order.symbol, order.terms
    profit = terms.limit if terms.is_pair else terms.take_profit
    bracket = {
        "limit_price": client.price_to_precision(symbol, profit),
        "stop_trigger_price": client.price_to_precision(symbol, terms.stop_loss),
    }
    if terms.is_pair:
        bracket["base_size"] = client.amount_to_precision(symbol, quantity)
    where = "order_configuration" if terms.is_pair else "attached_order_configuration"
    return client.create_order(
        symbol, "limit", order.side, quantity, terms.limit, {**known, where: {_AT_COINBASE: bracket}}
    )


def _create_at_okx(client: Any, order: Order, quantity: float, known: Mapping[str, object]) -> Any:
    """Send both exits as one order: attached to its entry, which has a limit, or by themselves."""
    symbol, terms = order.symbol, order.terms
    profit = client.price_to_precision(symbol, terms.limit if terms.is_pair else terms.take_profit)
    exits = {
        "tpTriggerPx": profit,
        "tpOrdPx": profit,
        "slTriggerPx": client.price_to_precision(symbol, terms.stop_loss),
        "slOrdPx": "-1",  # at the market
    }
    if not terms.is_pair:
        exits["attachAlgoClOrdId"] = venue_id("okx", leg_id(order.client_order_id, TAKE_PROFIT))
        return client.create_order(
            symbol, "limit", order.side, quantity, terms.limit, {**known, "attachAlgoOrds": [exits]}
        )
    given = {"instId": client.market(symbol)["id"], "tdMode": "cash", "side": order.side, "ordType": "oco"}
    amount, named = client.amount_to_precision(symbol, quantity), venue_id("okx", order.client_order_id)
    return client.privatePostTradeOrderAlgo({**given, "sz": amount, "algoClOrdId": named, **exits})


def _leg_at_okx(venue: Venue, whole: Answer, leg: str, symbol: str) -> Answer | None:
    if whole["info"].get("algoClOrdId"):  # it is a pair
        return _without_fills(whole, whole["side"])
    if whole["status"] == "open" or not whole["filled"]:
        return _without_fills(whole, "sell")
    exits = exchange_search.listed(venue, leg_id(str(whole["clientOrderId"]), TAKE_PROFIT), symbol)
    return exits if exits is None or leg == TAKE_PROFIT else _without_fills(exits, exits["side"])


def _leg_at_coinbase(venue: Venue, whole: Answer, leg: str, symbol: str) -> Answer | None:
    told = whole["info"]
    if _AT_COINBASE in (told.get("order_configuration") or {}):
        return _without_fills(whole, whole["side"])
    if not (number := told.get("attached_order_id")):
        is_over = whole["status"] not in {"open", "canceled"} or (whole["status"] == "canceled" and whole["filled"])
        return None if is_over else _without_fills(whole, "sell")
    exits: Answer = venue.calls.ask(lambda: venue.client.fetch_order(str(number), symbol))
    return exits if leg == TAKE_PROFIT else _without_fills(exits, exits["side"])


# Where both exits are one order: the leg of an order that was found there; None if the exchange has none, not yet or never.
# Until an entry is filled its exits are told as waiting under the entry's own number: cancelled, they end with it.
EXITS_IN_ONE: Mapping[str, Callable[[Venue, Answer, str, str], Answer | None]] = {
    "coinbase": _leg_at_coinbase,
    "okx": _leg_at_okx,
}


def _without_fills(answer: Answer, side: str) -> Answer:
    status = answer["status"] if answer["status"] == "open" else "canceled"
    return {**answer, "side": side, "status": status, "filled": 0, "average": None, "fee": None, "fees": []}
