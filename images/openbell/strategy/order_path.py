"""An order's way from a decision to the broker's answer: looked for, judged, recorded, sent, and its answer recorded.

The order of these steps is what makes an order one order: whatever dies in between, the next attempt finds the intent in the
ledger and asks the broker before it sends anything.
"""

import contextlib
from collections.abc import Callable, Mapping
from datetime import datetime

from openbell.ledger import Ledger, OrderRecord
from openbell.ledger.records import LOST_AT
from openbell.order_terms import Terms, leg_id, other_side
from openbell.records import dataclass, field, replace
from openbell.trading.brokers import (
    FINAL,
    Broker,
    BrokerError,
    CanReplace,
    NotSentError,
    Order,
    OrderRefusedError,
    PlacedOrder,
)
from openbell.trading.order_checks import OrderChecks
from openbell.trading.order_following import settle

# What the ledger alone can answer: nothing more becomes of these, and the broker may have forgotten them.
_DONE = frozenset({"filled", "rejected", "cancelled", "expired", "uncertain"})
UNCERTAIN = (
    "it is unknown whether this order arrived: it is never sent again; look at the broker, then make reconcile ADOPT=1"
)


@dataclass(frozen=True)
class Sent:
    """What became of an order, and what the journal says of it beside that."""

    placed: PlacedOrder
    told: Mapping[str, object] = field(default_factory=dict)


class OrderPath:
    """The way of one run's orders."""

    def __init__(
        self, bot: str, broker: Broker, ledger: Ledger, checks: OrderChecks, clock: Callable[[], datetime]
    ) -> None:
        self._bot = bot
        self._broker = broker
        self._ledger = ledger
        self._checks = checks
        self._clock = clock

    def send(self, wanted: Order, leg: str, claimed_for: datetime, slot: datetime) -> Sent:
        """Send an order unless it was sent before. claimed_for: the slot of the run; slot: the instant for prices."""
        with self._ledger.one_at_a_time() if self._checks.needs_lock(wanted.side) else contextlib.nullcontext():
            if (known := self._known(wanted)) is not None:
                return Sent(known, {"repeated": True})
            now = self._clock()
            judged = self._checks.judge(wanted, slot, now)
            if judged.reason:
                return Sent(self._refused(judged.order, judged.reason), judged.told)
            return Sent(self._sent(judged.order, leg, claimed_for, now), judged.told)

    def _known(self, wanted: Order) -> PlacedOrder | None:
        """Return the order if it was sent before, or may have been; None if it is certain that it has not arrived."""
        before = self._ledger.order(wanted.client_order_id)
        if before is None or before.status == "refused":
            return None
        if before.status in _DONE:
            return _from_record(before)
        placed = self._broker.find(wanted.client_order_id)
        if placed is not None:
            self._settle(placed)
            self._settle_legs(wanted.client_order_id, wanted.terms, placed)
            return placed
        if before.status in {"intended", "lost"} and getattr(self._broker, "finds_every_order", True):
            return None
        self._ledger.settle(before.client_order_id, "uncertain", filled=before.filled, reason=UNCERTAIN)
        return _from_record(self._ledger.order(wanted.client_order_id) or before)

    def _sent(self, order: Order, leg: str, claimed_for: datetime, now: datetime) -> PlacedOrder:
        record = OrderRecord(
            order.client_order_id,
            self._bot,
            claimed_for,
            order.symbol,
            order.side,
            leg,
            order.quantity,
            at=now,
            terms=order.terms,
        )
        is_known = self._ledger.intend(record, now) is not None
        if is_known:
            self._ledger.send_again(order.client_order_id, now)
        for name in order.terms.legs:
            side = order.side if order.terms.is_pair else other_side(order.side)
            named = leg_id(order.client_order_id, name)
            terms = order.terms.of_leg(name)
            one = replace(record, client_order_id=named, side=side, leg=f"{leg} {name}".strip(), terms=terms)
            self._ledger.intend(one, now)
        # A ledger that has lost commits may not know the run that sent it before.
        may_be_there = not is_known and self._ledger.fact(LOST_AT)
        try:
            placed = (self._broker.find(order.client_order_id) if may_be_there else None) or self._broker.submit(order)
        except OrderRefusedError as refused:
            return self._refused(order, str(refused))
        except NotSentError as error:
            # The run fails with it, and the next attempt sends the order, also where one that is not found is uncertain.
            self._refused(order, str(error))
            raise
        self._settle(placed)
        self._settle_legs(order.client_order_id, order.terms, placed)
        return placed

    def _settle_legs(self, client_order_id: str, terms: Terms, placed: PlacedOrder) -> None:
        """Record how far the legs of a bracket or pair have come: none of an order that ended without a fill is left."""
        for name in terms.legs:
            named = leg_id(client_order_id, name)
            found = self._broker.find(named)
            if found is not None:
                self._settle(found)
            elif placed.status in FINAL and not placed.filled_quantity:
                self._ledger.settle(named, "cancelled", reason=f"the order that it belongs to is {placed.status}")

    def replace(self, order: OrderRecord, quantity: float, terms: Terms) -> PlacedOrder:
        """Give an order that waits another quantity in all and other terms, and return it as it is then."""
        self._ledger.check_epoch()
        if not isinstance(self._broker, CanReplace):
            msg = "this broker cannot change an order: cancel it, and send another one"
            raise BrokerError(msg)
        wanted = Order(order.client_order_id, order.symbol, order.side, quantity, terms=terms)
        try:
            placed = self._broker.replace(wanted)
        except BrokerError:
            found = self._broker.find(order.client_order_id)
            if found is None or found.status not in FINAL:
                raise
            self._settle(found)  # it was done before the change could reach it
            return found
        self._ledger.amend(order.client_order_id, placed.quantity, terms)
        self._settle(placed)
        return placed

    def cancel(self, client_order_id: str) -> PlacedOrder:
        """Cancel an order and return what has become of it; BrokerError if it goes on and the broker does not cancel it."""
        self._ledger.check_epoch()
        problem: BrokerError | None = None
        try:
            self._broker.cancel(client_order_id)
        except BrokerError as error:
            problem = error
        placed = self._broker.find(client_order_id)
        if placed is None and (never_sent := self._never_arrived(client_order_id)) is not None:
            return never_sent
        if placed is None or (problem is not None and placed.status not in FINAL):
            raise problem or BrokerError(f"order {client_order_id} is not known")
        self._settle(placed)
        if (record := self._ledger.order(client_order_id)) is not None:
            self._settle_legs(client_order_id, record.terms, placed)
        return placed

    def _never_arrived(self, client_order_id: str) -> PlacedOrder | None:
        """Give up an order that a run meant to send and was killed before: a broker that finds every order has none."""
        record = self._ledger.order(client_order_id)
        if record is None or record.status != "intended" or not getattr(self._broker, "finds_every_order", True):
            return None
        self._ledger.settle(client_order_id, "lost", reason="it never reached the broker")
        for leg in record.terms.legs:
            self._ledger.settle(leg_id(client_order_id, leg), "lost", reason="it never reached the broker")
        return _from_record(replace(record, status="lost", reason="it never reached the broker"))

    def query(self, record: OrderRecord) -> PlacedOrder:
        """Return an order as it is now."""
        placed = None if record.status in FINAL else self._broker.find(record.client_order_id)
        if placed is None:
            return _from_record(record)
        self._settle(placed)
        return placed

    def _settle(self, placed: PlacedOrder) -> None:
        settle(self._ledger, placed, self._clock())

    def _refused(self, order: Order, reason: str) -> PlacedOrder:
        for name in (order.client_order_id, *(leg_id(order.client_order_id, leg) for leg in order.terms.legs)):
            self._ledger.settle(name, "refused", reason=reason)  # if it was intended before
        named = (order.client_order_id, order.symbol, order.side, order.quantity)
        return PlacedOrder("", *named, "refused", 0.0, None, self._clock(), reason)


def _from_record(record: OrderRecord) -> PlacedOrder:
    return PlacedOrder(
        record.order_id or "",
        record.client_order_id,
        record.symbol,
        record.side,
        record.quantity,
        record.status,
        record.filled,
        record.price,
        record.at or record.slot,
        record.reason,
        record.fee,
    )
