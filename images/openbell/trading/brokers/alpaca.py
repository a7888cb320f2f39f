"""The broker `alpaca`: orders through alpaca-py, to the paper endpoint unless the manifest says live = true.

Alpaca knows an order by our own id for ever and refuses a second one under it, so an order without an answer may be asked
for, and sent again, without harm.
"""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from openbell.order_terms import leg_of
from openbell.position import total
from openbell.records import replace
from openbell.trading.brokers import (
    FINAL,
    Account,
    BrokerError,
    Order,
    OrderRefusedError,
    PlacedOrder,
    Position,
    alpaca_requests,
)
from openbell.trading.brokers.alpaca_answers import placed_of, position_of
from openbell.trading.cash_entries import CashEntry
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.order_size import SizeRules
from openbell.trading.run_services import RunServices
from openbell.trading.venues import (
    DuplicateError,
    MissingError,
    RefusedError,
    UnansweredError,
    VenueError,
    alpaca,
    alpaca_actions,
    alpaca_activities,
    alpaca_assets,
)

FILL_WAITS = (0.2, 0.5, 1.0)  # seconds between queries of an order that is not filled yet
LOOKUPS = 3  # at an order whose answer was lost
SUCCESSORS = 20  # replacements of one order that are followed


class AlpacaBroker:
    """One account at Alpaca. Nothing connects before the first question."""

    finds_every_order = True  # an id stands for one order for ever
    cash_entries_every = timedelta(hours=1)

    def __init__(self, desk: RunServices, at: datetime) -> None:
        self._desk = desk
        self._at = at

    def account(self) -> Account:
        """Return cash and equity."""
        with _broker_errors():
            answer = self._ask(lambda client: client.get_account())
            power = answer.get("buying_power")
            told = (float(answer["cash"]), str(answer["currency"]), float(answer["equity"]))
            return Account(*told, buying_power=None if power is None else float(power))

    def sizes(self, symbol: str) -> SizeRules:
        """Return the rules for quantities and prices of a symbol."""
        with _broker_errors():
            return alpaca_assets.sizes(self._desk, symbol)

    def positions(self) -> dict[str, Position]:
        """Return the open positions; a short one has a quantity below zero."""
        with _broker_errors():
            answer = self._ask(lambda client: client.get_all_positions())
            return {position.symbol: position for position in map(position_of, answer)}

    def corporate_actions(self, symbols: Iterable[str], since: date) -> list[CorporateAction]:
        """Return the splits and renames of shares from that day on."""
        with _broker_errors():
            return alpaca_actions.ask(self._desk, symbols, since, self._at.date())

    def cash_entries(self, since: date) -> list[CashEntry]:
        """Return the dividends that were booked on that day or later."""
        with _broker_errors():
            return alpaca_activities.dividends(self._desk, since, self._at.date())

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id as it is now, or None."""
        with _broker_errors():
            return self._find(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Send `order` for the next price, wait a moment for it to fill, and return it as far as it has come."""
        with _broker_errors():
            try:
                placed = self._send(order)
            except DuplicateError as duplicate:
                placed = self._recover(order, duplicate)
            except UnansweredError as unanswered:
                placed = self._recover(order, unanswered)
            except RefusedError as refused:
                now = datetime.now(UTC)
                return PlacedOrder("", *_of(order), "rejected", 0.0, None, now, str(refused))
            # What waits for its price is there; the loop follows it between slots.
            is_at_once = order.terms.kind == "market" and order.waits not in {"opg", "cls"}
            placed = self._settled(placed, is_at_once=is_at_once)
            # The quantity of an order by value is known once it is filled.
            return (
                placed if placed.status == "filled" or order.value is None else replace(placed, quantity=order.quantity)
            )

    def cancel(self, client_order_id: str) -> None:
        """Cancel what is not filled yet of the order of that id."""
        with _broker_errors():
            placed = self._find(client_order_id)
            if placed is None or placed.status in FINAL:
                state = "is not known" if placed is None else f"is {placed.status} already"
                msg = f"order {client_order_id} {state} and cannot be cancelled"
                raise BrokerError(msg)
            self._ask(lambda client: client.cancel_order_by_id(placed.order_id))
            # It answers before it is done: only then is free what the order held back.
            for wait in FILL_WAITS:
                if (found := self._find(client_order_id)) is None or found.status in FINAL:
                    return
                self._pause(wait)

    def _ask(self, question: Any) -> Any:
        client = alpaca.clients(self._desk).trading
        return alpaca.calls(self._desk).ask(lambda: question(client))

    def replace(self, order: Order) -> PlacedOrder:
        """Change what waits of an order at the venue, which goes on with it under a new id of its own."""
        with _broker_errors():
            placed = self._find(order.client_order_id)
            if placed is None or placed.status in FINAL:
                state = "is not known" if placed is None else f"is {placed.status} already"
                msg = f"order {order.client_order_id} {state} and cannot be replaced"
                raise BrokerError(msg)
            if placed.filled_quantity and order.quantity != placed.quantity:
                msg = f"order {order.client_order_id} is filled in part, and its quantity cannot be changed: cancel it"
                raise BrokerError(msg)
            if order.quantity != placed.quantity and order.quantity != int(order.quantity):
                msg = "Alpaca changes orders to whole quantities only: cancel it, and send another one"
                raise BrokerError(msg)
            client = alpaca.clients(self._desk).trading
            change = alpaca_requests.change_of(order, {"qty": placed.quantity})
            number = placed.order_id
            alpaca.calls(self._desk).send(lambda: client.replace_order_by_id(number, change), is_exit=order.is_exit)
            return self._find(order.client_order_id) or placed

    def _find(self, client_order_id: str) -> PlacedOrder | None:
        parent, leg = leg_of(client_order_id)
        if parent:
            return self._find_leg(parent, leg, client_order_id)
        try:
            answer = self._ask(lambda client: client.get_order_by_client_id(client_order_id))
        except MissingError:
            return None
        return self._followed(answer, client_order_id)

    def _find_leg(self, parent: str, leg: str, client_order_id: str) -> PlacedOrder | None:
        """Return a leg, which the venue knows by an id of its own, below the order that it belongs to."""
        try:
            answer = self._ask(lambda client: client.get_order_by_client_id(parent))
            for _ in range(SUCCESSORS):
                whole = self._ask(partial(_with_legs, str(answer["id"])))
                if (found := alpaca_requests.leg_in(whole, leg)) is not None or not answer.get("replaced_by"):
                    return None if found is None else self._followed(found, client_order_id)
                answer = self._ask(partial(_order_by_id, str(answer["replaced_by"])))
        except MissingError:
            pass
        return None

    def _followed(self, answer: Mapping[str, Any], client_order_id: str) -> PlacedOrder:
        """Return an order as it is now: what has replaced it goes on under the first one's id, with all that was filled."""
        filled, value = 0.0, 0.0
        for _ in range(SUCCESSORS):
            successor = answer.get("replaced_by")
            if str(answer["status"]) != "replaced" or not successor:
                break
            one = placed_of(answer)
            filled = total(filled, one.filled_quantity)
            value += one.filled_quantity * (one.filled_price or 0.0)
            answer = self._ask(partial(_order_by_id, str(successor)))
        placed = replace(placed_of(answer), client_order_id=client_order_id)
        if not filled:
            return placed
        value += placed.filled_quantity * (placed.filled_price or 0.0)
        whole = total(filled, placed.filled_quantity)
        return replace(
            placed, quantity=total(placed.quantity, filled), filled_quantity=whole, filled_price=value / whole
        )

    def _send(self, order: Order) -> PlacedOrder:
        client = alpaca.clients(self._desk).trading
        request = alpaca_requests.request_of(order)
        answer: Any = alpaca.calls(self._desk).send(
            lambda: client.submit_order(request),
            is_exit=order.is_exit,
            before=lambda: _leaves(self._desk, order.client_order_id),
        )
        return placed_of(answer)

    def _recover(self, order: Order, why: VenueError) -> PlacedOrder:
        """Return the order that was perhaps accepted; BrokerError if the venue does not know it, or does not say."""
        for wait in FILL_WAITS[:LOOKUPS]:
            if (placed := self._find(order.client_order_id)) is not None:
                return placed
            self._pause(wait)
        msg = f"{why}; the order is not known there, and a next attempt sends it under the same id"
        raise BrokerError(msg)

    def _settled(self, placed: PlacedOrder, *, is_at_once: bool = True) -> PlacedOrder:
        for wait in FILL_WAITS:
            if placed.status in FINAL or not is_at_once:
                return placed
            self._pause(wait)
            try:
                placed = self._find(placed.client_order_id) or placed
            except VenueError:
                return placed  # the order is there; how far it has come is looked up before the next run
        if placed.status in FINAL or "/" in placed.symbol:
            return placed
        return self._with_reason(placed)

    def _with_reason(self, placed: PlacedOrder) -> PlacedOrder:
        try:
            clock = self._ask(lambda client: client.get_clock())
        except VenueError:
            return placed
        if clock["is_open"]:
            return placed
        return replace(placed, reason=f"the market is closed: the order waits until it opens at {clock['next_open']}")

    def _pause(self, seconds: float) -> None:
        time.sleep(max(0.0, min(seconds, self._desk.remaining())))


@contextmanager
def _broker_errors() -> Iterator[None]:
    """Turn what went wrong at the venue into a BrokerError; an answer without a field that it must have is no answer."""
    try:
        yield
    except (OrderRefusedError, BrokerError):
        raise
    except VenueError as error:
        raise BrokerError(str(error)) from error
    except (KeyError, TypeError, ValueError) as error:
        msg = f"Alpaca's answer cannot be understood: {type(error).__name__}: {error}"
        raise BrokerError(msg) from error


def _order_by_id(order_id: str, client: Any) -> Any:
    return client.get_order_by_id(order_id)


def _with_legs(order_id: str, client: Any) -> Any:
    from alpaca.trading.requests import GetOrderByIdRequest  # noqa: PLC0415 - only where the library is

    return client.get_order_by_id(order_id, GetOrderByIdRequest(nested=True))


def _leaves(desk: RunServices, client_order_id: str) -> None:
    desk.sending(client_order_id)


def _of(order: Order) -> tuple[str, str, str, float]:
    return order.client_order_id, order.symbol, order.side, order.quantity
