"""The orders that runs have decided on, how far each has come, and what its fills have made of positions and money."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

from openbell.ledger.database import instant_of, text_of
from openbell.ledger.holdings import Holdings
from openbell.ledger.records import OrderRecord
from openbell.ledger.schema import ALL_OF_ORDERS
from openbell.order_terms import FINAL, Terms, decoded
from openbell.position import ZERO, after_fill, decimal
from openbell.records import replace

_ORDER = "client_order_id, bot, slot, symbol, side, leg, quantity, status, order_id"
_NAMED = "orders.client_order_id, bot, slot, symbol, side, leg, quantity, status, order_id, at, filled, fee, price, reason, terms"
NEVER_ARRIVED = ("refused", "lost")  # statuses of orders that never reached the broker
LONGEST_DAY = timedelta(hours=25)  # one on which clocks are put back


class Orders(Holdings):
    """The ledger's orders."""

    def intend(self, order: OrderRecord, now: datetime | None = None) -> OrderRecord | None:
        """Record durably that an order is about to be sent `now`; return the earlier record if there is one."""
        with self._transaction():
            self.check_epoch()
            is_new = self._insert_order(order, now or datetime.now(UTC))
        return None if is_new else self.order(order.client_order_id)

    def _insert_order(self, order: OrderRecord, now: datetime) -> bool:
        """Write an order that has none of its id before it; tell whether that was so."""
        named, slot = order.client_order_id, text_of(order.slot)
        row = (named, order.bot, slot, order.symbol, order.side, order.leg, order.quantity, order.status)
        statement = f"INSERT INTO orders ({_ORDER}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, NULL) ON CONFLICT DO NOTHING"
        is_new = self._database.execute(statement, row).rowcount == 1
        statement = "INSERT INTO sent (client_order_id, at) VALUES (?, ?) ON CONFLICT DO NOTHING"
        self._database.execute(statement, (named, text_of(now)))
        if text := order.terms.encoded():
            self._database.execute("INSERT INTO terms VALUES (?, ?) ON CONFLICT DO NOTHING", (named, text))
        return is_new

    def send_again(self, client_order_id: str, now: datetime) -> None:
        """Record durably that an order is about to be sent `now`, whatever came of it earlier."""
        with self._transaction():
            self.check_epoch()
            self._database.execute(
                "UPDATE orders SET status = 'intended' WHERE client_order_id = ?", (client_order_id,)
            )
            self._database.execute("UPDATE sent SET at = ? WHERE client_order_id = ?", (text_of(now), client_order_id))

    def amend(self, client_order_id: str, quantity: float, terms: Terms) -> None:
        """Record that an order goes on with another quantity in all and other terms."""
        statement = "INSERT INTO terms VALUES (?, ?) ON CONFLICT (client_order_id) DO UPDATE SET terms = excluded.terms"
        with self._transaction():
            self.check_epoch()
            self._database.execute(
                "UPDATE orders SET quantity = ? WHERE client_order_id = ?", (quantity, client_order_id)
            )
            self._database.execute(statement, (client_order_id, terms.encoded()))

    def order(self, client_order_id: str) -> OrderRecord | None:
        """Return what is known of an order, or None if it was never intended."""
        statement = f"SELECT {_NAMED} FROM {ALL_OF_ORDERS} WHERE orders.client_order_id = ?"
        row = self._database.execute(statement, (client_order_id,)).fetchone()
        return _order(row) if row else None

    def open_orders(self) -> list[OrderRecord]:
        """Return the orders of which more may become, and those whose answer is not known, oldest first."""
        marks = ", ".join("?" for _ in FINAL)
        rows = self._database.execute(
            f"SELECT {_NAMED} FROM {ALL_OF_ORDERS} WHERE status NOT IN ({marks}) ORDER BY at, symbol, side", FINAL
        )
        return [_order(row) for row in rows]

    def sent_since(self, at: datetime, without: Sequence[str] = ()) -> int:
        """Return how many orders went to the broker on the day that begins then.

        What a clock that was ahead has sent on a later day does not count. without: ids that do not count while they have
        no answer.
        """
        marks = ", ".join("?" for _ in without)
        mine = f" AND NOT (status = 'intended' AND orders.client_order_id IN ({marks}))" if without else ""
        statement = f"SELECT COUNT(*) FROM {ALL_OF_ORDERS} WHERE at >= ? AND at < ? AND status NOT IN (?, ?){mine}"
        values = (text_of(at), text_of(at + LONGEST_DAY), *NEVER_ARRIVED, *without)
        return int(self._database.execute(statement, values).fetchone()[0])

    def orders(self, bot: str, slot: datetime) -> list[OrderRecord]:
        """Return the orders that were decided on for one slot."""
        rows = self._database.execute(
            f"SELECT {_NAMED} FROM {ALL_OF_ORDERS} WHERE bot = ? AND slot = ?", (bot, text_of(slot))
        )
        return [_order(row) for row in rows]

    def settle(
        self,
        client_order_id: str,
        status: str,
        order_id: str = "",
        filled: float = 0.0,
        price: float | None = None,
        reason: str = "",
        fee: float = 0.0,
        fee_paid: float = 0.0,
        now: datetime | None = None,
    ) -> OrderRecord | None:
        """Record the broker's answer to an order; what it has filled since the last answer is held from now on.

        filled: how much in all so far. fee: how much of what was bought was kept as a fee; fee_paid: in the quote currency.
        An answer that knows of less than an earlier one, or that an order is open which was done, came out of order and
        changes nothing: then None is returned, else the order as it is now.
        """
        with self._transaction():
            self.check_epoch()
            before = self.order(client_order_id)
            if before is None or filled < before.filled or (before.status in FINAL and status not in FINAL):
                return None
            after = replace(
                before,
                status=status,
                order_id=order_id or before.order_id,
                filled=filled,
                fee=max(fee, before.fee),  # not every answer tells it
                price=before.price if price is None else price,
                reason=reason,
            )
            self._update_order(after)
            if (after.filled, after.fee) != (before.filled, before.fee):
                self._book(before, after, fee_paid, now or datetime.now(UTC))
        return after

    def _update_order(self, order: OrderRecord) -> None:
        """Write how far an order has come."""
        named = order.client_order_id
        statement = "UPDATE orders SET status = ?, order_id = ? WHERE client_order_id = ?"
        self._database.execute(statement, (order.status, order.order_id, named))
        statement = "UPDATE sent SET filled = ?, fee = ?, price = ?, reason = ? WHERE client_order_id = ?"
        self._database.execute(statement, (order.filled, order.fee, order.price, order.reason, named))

    def _book(self, before: OrderRecord, after: OrderRecord, fee_paid: float, now: datetime) -> None:
        """Enter what an order has filled since the last answer into positions, fills and flows."""
        sign = 1 if before.side == "buy" else -1
        quantity, fee = decimal(after.filled) - decimal(before.filled), decimal(after.fee) - decimal(before.fee)
        value = decimal(after.filled) * decimal(after.price or 0) - decimal(before.filled) * decimal(before.price or 0)
        paid = max(ZERO, decimal(fee_paid) - self._fees_paid(before.client_order_id))
        change, cost = sign * (quantity - fee if sign > 0 else quantity + fee), sign * value + paid
        self._write_position(after_fill(self._position(before.bot, before.symbol), change, cost, now))
        self._add_to_holdings(before.symbol, float(change))
        base, _, quote = before.symbol.partition("/")
        each = value / quantity if quantity else None
        self._insert_fill(after, quantity, each, *((fee, base) if fee else (paid, quote)), now)
        self._add_to_flows(quote, -cost)

    def _insert_fill(
        self, order: OrderRecord, quantity: Decimal, each: Decimal | None, fee: Decimal, currency: str, now: datetime
    ) -> None:
        statement = "INSERT INTO fills VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING"
        price = None if each is None else f"{each:f}"
        key = (order.client_order_id, f"{order.filled:.12f}")
        self._database.execute(statement, (*key, f"{quantity:f}", price, f"{fee:f}", currency, text_of(now)))

    def _fees_paid(self, client_order_id: str) -> Decimal:
        statement = "SELECT orders.symbol, fills.fee, fills.currency FROM fills JOIN orders ON orders.client_order_id = fills.client_order_id WHERE fills.client_order_id = ?"
        rows = self._database.execute(statement, (client_order_id,))
        return sum((Decimal(str(fee)) for symbol, fee, currency in rows if currency == symbol.partition("/")[2]), ZERO)


def _order(row: tuple[Any, ...]) -> OrderRecord:
    client_order_id, bot, slot, symbol, side, leg, quantity, status, order_id, at, filled, fee, price, reason, terms = (
        row
    )
    told = (instant_of(at) if at else None, filled or 0.0, fee or 0.0, price, reason or "", decoded(terms))
    return OrderRecord(client_order_id, bot, instant_of(slot), symbol, side, leg, quantity, status, order_id, *told)
