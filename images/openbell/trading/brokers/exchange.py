"""The broker `ccxt:EXCHANGE`: orders on one crypto exchange through ccxt.

With live = true the orders are real. Without it they go to the exchange's sandbox, if it has one and the keys for it are
named; otherwise to openbell's own paper account, at the exchange's prices.

Exchanges forget an id once its order is done, and would take a second order under it. So an order whose answer was lost is
only given up when it cannot arrive any more: Binance and Kraken turn away an order that is older than a few seconds.
"""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from types import MappingProxyType
from typing import Any

from openbell.manifest.trading import DEADLINES, WITHOUT_SANDBOX
from openbell.order_terms import leg_of
from openbell.trading.brokers import (
    FINAL,
    Account,
    Broker,
    BrokerError,
    Order,
    PlacedOrder,
    Position,
    exchange_changes,
    exchange_lists,
    exchange_search,
)
from openbell.trading.brokers.exchange_answers import amount_of, placed_of
from openbell.trading.brokers.exchange_requests import (
    ANSWERED_WITHOUT_STATE,
    NAME_OF_NEW_ID,
    request_of,
    venue_id,
)
from openbell.trading.brokers.paper_account import open_paper
from openbell.trading.errors import NotSentError
from openbell.trading.markets import Market
from openbell.trading.order_size import SizeRules
from openbell.trading.run_services import RunServices
from openbell.trading.venues import DuplicateError, MissingError, RefusedError, UnansweredError, VenueError
from openbell.trading.venues.exchange import WINDOW, Venue, has_keys

FILL_WAITS = (0.2, 0.5, 1.0)  # seconds between queries of an order that is not filled yet


def open_exchange(name: str, desk: RunServices, market: Market, at: datetime) -> Broker:
    """Return the exchange itself, its sandbox, or the paper account at its prices."""
    if desk.live or (has_keys(name, desk) and name not in WITHOUT_SANDBOX):
        return ExchangeBroker(name, desk)
    return open_paper(market, at, desk)


class ExchangeBroker:
    """The spot account on one exchange. Nothing connects before the first question."""

    def __init__(self, name: str, desk: RunServices) -> None:
        self._name = name
        self._desk = desk
        self._made: Venue | None = None
        # An order that is not found never arrived, where the exchange turns away what comes too late.
        self.finds_every_order = name in DEADLINES

    def account(self) -> Account:
        """Return the cash in the quote currency of the strategy's first symbol, and the worth of it and of its coins."""
        with self._broker_errors():
            quote = self._quote()
            total = self._totals()
            coins = {symbol: held for symbol, held in self._held(total).items() if symbol.endswith(f"/{quote}")}
            worth = amount_of(total, quote) + sum(held * self._worth(symbol) for symbol, held in coins.items())
            quotes = {symbol.partition("/")[2] for symbol in self._desk.symbols}
            balances = {one: amount_of(total, one) for one in sorted({quote, *quotes})}
            return Account(balances[quote], quote, worth, MappingProxyType(balances))

    def sizes(self, symbol: str) -> SizeRules:
        """Return the exchange's steps and smallest orders of a symbol."""
        with self._broker_errors():
            return self._venue().sizes(symbol)

    def positions(self) -> dict[str, Position]:
        """Return what is held of the coins of the strategy's symbols; what they cost an exchange does not say."""
        with self._broker_errors():
            return {symbol: Position(symbol, held, 0.0) for symbol, held in self._held(self._totals()).items()}

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id, or None once it is certain that it has not arrived and will not."""
        with self._broker_errors():
            intent = self._desk.intended(client_order_id)
            if intent is None:
                return None
            while (found := self._find(client_order_id, intent.symbol)) is None:
                left = WINDOW + 1 - (datetime.now(UTC) - intent.at).total_seconds()
                if self._name not in DEADLINES or not 0 < left <= WINDOW + 1:
                    break
                self._pause(min(left, 1.0))
            if found is not None:
                return found
            answer = exchange_search.traded(self._venue(), client_order_id, intent)
            return None if answer is None else placed_of({**answer, "symbol": intent.symbol}, client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Send `order` for the next price, wait a moment for it to fill, and return it as far as it has come."""
        with self._broker_errors():
            try:
                quantity = self._quantity(order)
            except RefusedError as refused:
                return self._rejected(order, refused)
            except VenueError as error:
                raise NotSentError(str(error)) from error
            try:
                placed = self._send(order, quantity)
            except (DuplicateError, UnansweredError) as error:
                return self._recover(order, error)
            except RefusedError as refused:
                return self._rejected(order, refused)
            # What waits for its price is there; the loop follows it between slots.
            return self._settled(placed) if order.terms.kind == "market" else placed

    def cancel(self, client_order_id: str) -> None:
        """Cancel what is not filled yet of the order of that id."""
        placed = self.find(client_order_id)
        if placed is None or placed.status in FINAL:
            state = "is not known" if placed is None else f"is {placed.status} already"
            msg = f"order {client_order_id} {state} and cannot be cancelled"
            raise BrokerError(msg)
        with self._broker_errors():
            exchange_search.cancel(self._venue(), placed.order_id, placed.symbol)

    def replace(self, order: Order) -> PlacedOrder:
        """Change what waits of an order at the exchange, where it goes on under its ids."""
        with self._broker_errors():
            found = exchange_search.listed(self._venue(), order.client_order_id, order.symbol)
            quantity = self._quantity(order)
            exchange_changes.change(self._venue(), found, order, quantity)
            for wait in (0.0, *FILL_WAITS):  # some exchanges accept a change before they apply it
                self._pause(wait)
                placed = self._find(order.client_order_id, order.symbol)
                if placed is not None and (placed.status in FINAL or placed.quantity == quantity):
                    return placed
            msg = f"{self._name} has taken the change of order {order.client_order_id}, and does not show it yet"
            raise BrokerError(msg)

    def _venue(self) -> Venue:
        if self._made is None:
            self._made = Venue(self._name, self._desk, sandbox=not self._desk.live)
        return self._made

    def _totals(self) -> Mapping[str, Any]:
        venue = self._venue()
        venue.prepare()
        totals: Mapping[str, Any] = venue.calls.ask(venue.client.fetch_balance)["total"]
        return totals

    def _held(self, total: Mapping[str, Any]) -> dict[str, float]:
        held: dict[str, float] = {}
        for symbol in self._desk.symbols:
            base = symbol.partition("/")[0]
            if any(one.partition("/")[0] == base for one in held):
                msg = f"{base} is in two symbols of this strategy, and the exchange does not say which of them holds it"
                raise BrokerError(msg)
            if quantity := amount_of(total, base):
                held[symbol] = quantity
        return held

    def _quote(self) -> str:
        return self._desk.symbols[0].partition("/")[2] if self._desk.symbols else "USDT"

    def _price(self, symbol: str) -> float:
        venue = self._venue()
        return float(venue.calls.ask(lambda: venue.client.fetch_ticker(symbol))["last"])

    def _worth(self, symbol: str) -> float:
        """Return a coin's price; nothing for one that the exchange has delisted, which harms no other."""
        try:
            return self._price(symbol)
        except MissingError:
            return 0.0

    def _find(self, client_order_id: str, symbol: str) -> PlacedOrder | None:
        venue = self._venue()
        leg_at = exchange_lists.EXITS_IN_ONE.get(self._name)
        parent, leg = leg_of(client_order_id) if leg_at else ("", "")
        answer = exchange_search.listed(venue, parent or client_order_id, symbol)
        if leg_at and leg and answer is not None:
            answer = leg_at(venue, answer, leg, symbol)
        return None if answer is None else placed_of({**answer, "symbol": symbol}, client_order_id)

    def _quantity(self, order: Order) -> float:
        """Return the quantity in whole steps; RefusedError if it is too small or the symbol cannot be traded now."""
        venue = self._venue()
        told = venue.know(order.symbol)
        if told.get("active") is False:
            msg = f"{order.symbol} is not traded on {self._name} now"
            raise RefusedError(msg)
        if order.terms.legs and (problem := exchange_lists.problem(self._name, order, told.get("info") or {})):
            raise RefusedError(problem)
        base = order.symbol.partition("/")[0]
        limits = told["limits"]
        smallest = (limits.get("amount") or {}).get("min") or 0.0
        try:
            quantity = float(venue.client.amount_to_precision(order.symbol, order.quantity))
        except Exception as error:  # the library raises InvalidOrder for what is less than a step
            msg = f"{order.quantity:g} {base} is less than the smallest step of {self._name}"
            raise RefusedError(msg) from error
        if quantity <= 0 or quantity < smallest:
            msg = f"{order.quantity:g} {base} is less than {smallest:g}, the smallest order on {self._name}"
            raise RefusedError(msg)
        worth = (limits.get("cost") or {}).get("min")
        if worth and quantity * (order.terms.limit or self._price(order.symbol)) < worth:
            msg = f"an order of {order.symbol} must be worth at least {worth:g} on {self._name}"
            raise RefusedError(msg)
        return quantity

    def _send(self, order: Order, quantity: float) -> PlacedOrder:
        venue = self._venue()
        left_at: list[datetime] = []

        def leaves() -> None:
            left_at[:] = [self._desk.sending(order.client_order_id)]

        kind, price, more = request_of(order, self._name)
        if self._name == "coinbase" and (kind, order.side) == ("market", "buy"):
            price = self._price(order.symbol)  # it is told what a purchase may cost

        def create() -> Any:
            known = {**self._named(order, venue, left_at[0]), **more}
            if order.terms.legs:
                return exchange_lists.create(self._name, venue.client, order, quantity, known)
            return venue.client.create_order(order.symbol, kind, order.side, quantity, price, known)

        answer = venue.calls.send(create, is_exit=order.is_exit, before=leaves)
        waits_apart = order.terms.stop is not None or order.terms.is_pair
        if self._name == "bybit" or (self._name == "okx" and waits_apart):
            if (found := self._find(order.client_order_id, order.symbol)) is None:
                msg = f"{self._name} has taken the order and does not list it yet"
                raise UnansweredError(msg)
            return found
        if self._name in ANSWERED_WITHOUT_STATE:
            try:
                answer = venue.calls.ask(lambda: venue.client.fetch_order(answer["id"], order.symbol))
            except MissingError as missing:
                raise UnansweredError(str(missing)) from missing
        return placed_of(answer, order.client_order_id)

    def _named(self, order: Order, venue: Venue, left_at: datetime) -> dict[str, object]:
        """Return the parameters that give an order our id, and an end to its way there.

        From the recorded instant on, by the exchange's clock: what comes later, also from a process that was frozen, is
        turned away, so that an order which is not found then never arrives.
        """
        known: dict[str, object] = {
            NAME_OF_NEW_ID.get(self._name, "clientOrderId"): venue_id(self._name, order.client_order_id)
        }
        if self._name == "kraken":
            until = left_at + timedelta(seconds=venue.skew() + WINDOW)
            known["deadline"] = until.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        elif self._name == "binance":
            ahead = float(venue.client.options.get("timeDifference") or 0)
            known["timestamp"] = int(left_at.timestamp() * 1000 - ahead)
        return known

    def _recover(self, order: Order, why: VenueError) -> PlacedOrder:
        found = self.find(order.client_order_id)
        if found is None:
            msg = f"{why}; the order has not arrived, and a next attempt sends it"
            raise BrokerError(msg)
        return self._settled(found)

    def _settled(self, placed: PlacedOrder) -> PlacedOrder:
        for wait in FILL_WAITS:
            if placed.status in FINAL:
                break
            self._pause(wait)
            try:
                placed = self._find(placed.client_order_id, placed.symbol) or placed
            except VenueError:
                break  # the order is there; how far it has come is looked up before the next run
        return placed

    def _rejected(self, order: Order, why: VenueError) -> PlacedOrder:
        named = (order.client_order_id, order.symbol, order.side, order.quantity)
        return PlacedOrder("", *named, "rejected", 0.0, None, datetime.now(UTC), str(why))

    def _pause(self, seconds: float) -> None:
        time.sleep(max(0.0, min(seconds, self._desk.remaining())))

    @contextmanager
    def _broker_errors(self) -> Iterator[None]:
        try:
            yield
        except BrokerError:
            raise
        except VenueError as error:
            raise BrokerError(str(error)) from error
        except (KeyError, TypeError, ValueError) as error:
            msg = f"{self._name}'s answer cannot be understood: {type(error).__name__}: {error}"
            raise BrokerError(msg) from error
