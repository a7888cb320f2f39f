"""Looks for an order at an exchange: among what is open, what is done and, before it counts as never arrived, what was traded.

Exchanges forget our id once an order is done, some at once and some after days. A trade is never forgotten, and names the order
that it was part of.
"""

from collections.abc import Mapping
from datetime import timedelta
from functools import partial
from typing import Any

from openbell.trading.brokers.exchange_requests import venue_id
from openbell.trading.run_services import Intent
from openbell.trading.venues import MissingError
from openbell.trading.venues.exchange import WINDOW, Venue

# Where an order is found in lists; elsewhere one question by our id covers what is open and what is done.
LISTINGS = {
    "kraken": ("fetch_open_orders", "fetch_closed_orders"),
    "bybit": ("fetch_open_orders", "fetch_canceled_and_closed_orders"),
    "coinbase": ("fetch_open_orders", "fetch_closed_orders", "fetch_canceled_orders"),
}
_NAME_OF_ID = {"bybit": "orderLinkId"}  # what the questions call our id, where it is not "clientOrderId"
_BY_NUMBER: Mapping[str, Mapping[str, object]] = {
    "bybit": {"acknowledged": True}
}  # of a question by the exchange's own id
STOPS_APART = frozenset({"bybit", "okx"})  # where an order that waits for a price is cancelled by a word of its own
MOST = 20  # orders of one symbol, traded since an order was sent, that are looked at

Answer = Mapping[str, Any]


def listed(venue: Venue, client_order_id: str, symbol: str) -> Answer | None:
    """Return the order of that id among those that are open and those that are done; None if the exchange lists none."""
    venue.prepare()
    named = venue_id(venue.name, client_order_id)
    known = {_NAME_OF_ID.get(venue.name, "clientOrderId"): named}
    try:
        if venue.name == "okx":
            return _at_okx(venue, known, symbol)
        if venue.name not in LISTINGS:
            answer: Answer = venue.calls.ask(lambda: venue.client.fetch_order(None, symbol, known))
            return answer
        # At Kraken not by symbol: an order whose pair the library cannot name would be left out, and sent again.
        pair = None if venue.name == "kraken" else symbol
        for listing in LISTINGS[venue.name]:
            for one in venue.calls.ask(partial(getattr(venue.client, listing), pair, None, None, known)):
                # Coinbase's lists know nothing of our ids, and hold every order.
                if venue.name != "coinbase" or one.get("clientOrderId") == named:
                    found: Answer = one
                    return found
    except MissingError:
        pass
    return None


def _at_okx(venue: Venue, known: Mapping[str, object], symbol: str) -> Answer:
    """Return an order of OKX's; one that has waited for a price is another order once the price was reached."""
    try:
        found: Answer = venue.calls.ask(lambda: venue.client.fetch_order(None, symbol, dict(known)))
    except MissingError:
        found = venue.calls.ask(lambda: venue.client.fetch_order(None, symbol, {**known, "trigger": True}))
        told = found["info"]
        if told.get("state") == "order_failed":  # its price was reached, and what it holds did not suffice
            return {**found, "status": "rejected"}
        numbers = [one for one in (told.get("ordId"), *(told.get("ordIdList") or [])) if one]
        if told.get("state") != "effective" or not numbers:
            return found
        found = venue.calls.ask(lambda: venue.client.fetch_order(str(numbers[0]), symbol))
    return found


def cancel(venue: Venue, number: str, symbol: str) -> None:
    """Cancel the order of the exchange's own id; MissingError if it has none that is not done."""
    try:
        venue.calls.ask(lambda: venue.client.cancel_order(number, symbol))
    except MissingError:
        if venue.name not in STOPS_APART:
            raise
        venue.calls.ask(lambda: venue.client.cancel_order(number, symbol, {"trigger": True}))


def traded(venue: Venue, client_order_id: str, intent: Intent) -> Answer | None:
    """Return the order of that id among those that were traded since it was sent; None if there is none."""
    if not venue.client.has.get("fetchMyTrades"):
        return None
    venue.prepare()
    since = int((intent.at - timedelta(seconds=WINDOW)).timestamp() * 1000)
    trades = venue.calls.ask(lambda: venue.client.fetch_my_trades(intent.symbol, since))
    numbers = dict.fromkeys(str(trade["order"]) for trade in trades if trade.get("order"))
    named = venue_id(venue.name, client_order_id)
    for number in list(numbers)[-MOST:]:
        more = dict(_BY_NUMBER.get(venue.name, {}))
        try:
            found: Answer = venue.calls.ask(partial(venue.client.fetch_order, number, intent.symbol, more))
        except MissingError:
            continue
        if named in {found.get("clientOrderId"), found["info"].get("algoClOrdId")}:
            return found
    return None
