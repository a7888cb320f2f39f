"""The ledger of a backtest: the live one's rules, on mappings in memory instead of a database.

What a run reads between two orders is there already, and an order costs no statement.
"""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import datetime
from decimal import Decimal
from operator import attrgetter

from openbell.ledger import Claim, Ledger, OrderRecord
from openbell.ledger.orders import LONGEST_DAY, NEVER_ARRIVED
from openbell.order_terms import FINAL, Terms
from openbell.position import ZERO, Position
from openbell.records import replace

_NOTHING = nullcontext()


class BacktestLedger(Ledger):
    """Decides and answers as `Ledger` does. A backtest that is cut off is run again from its beginning."""

    def __init__(self) -> None:
        self._owner: Claim | None = None  # no other process has this ledger
        self._group = None
        self._orders: dict[str, OrderRecord] = {}
        self._of_slot: dict[tuple[str, datetime], list[str]] = {}  # the orders' ids by bot and slot
        self._open: dict[str, OrderRecord] = {}  # those of which more may become
        self._sent: dict[str, datetime] = {}  # when each order was sent, the newest last
        self._paid: dict[str, Decimal] = {}  # fees in the quote currency, by order
        self._flows: dict[str, Decimal] = {}
        self._positions: dict[tuple[str, str], Position] = {}  # by bot and symbol, as fills have made them
        self._untouched: dict[tuple[str, str], Position] = {}  # the answers about all others
        self._facts: dict[str, str] = {}
        self._states: dict[str, dict[str, str]] = {}  # by bot: each value as JSON, since every run gets a copy

    def close(self) -> None:
        """Keep nothing."""

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Let orders be decided on at once: no other process has this ledger."""
        yield

    def _transaction(self) -> AbstractContextManager[None]:
        return _NOTHING

    def state(self, bot: str) -> dict[str, object]:
        """Return the bot's own state."""
        kept = self._states.get(bot)
        return {key: json.loads(value) for key, value in kept.items()} if kept else {}

    def save_state(self, bot: str, slot: datetime, state: Mapping[str, object]) -> None:  # noqa: ARG002 - no claim of the slot
        """Replace the bot's own state."""
        self._states[bot] = {key: json.dumps(value, allow_nan=False) for key, value in state.items()}

    def fact(self, name: str) -> str | None:
        """Return what `remember` was last told under this name."""
        return self._facts.get(name)

    def _remember(self, name: str, value: str) -> None:
        self._facts[name] = value

    def order(self, client_order_id: str) -> OrderRecord | None:
        """Return what is known of an order, or None if it was never intended."""
        return self._orders.get(client_order_id)

    def orders(self, bot: str, slot: datetime) -> list[OrderRecord]:
        """Return the orders that were decided on for one slot."""
        return [self._orders[name] for name in self._of_slot.get((bot, slot), ())]

    def open_orders(self) -> list[OrderRecord]:
        """Return the orders of which more may become, in the order of `Ledger.open_orders`; equals by their ids."""
        return sorted(self._open.values(), key=attrgetter("at", "symbol", "side", "client_order_id"))

    def sent_since(self, at: datetime, without: Sequence[str] = ()) -> int:
        """Return how many orders went to the broker on the day that begins then, as `Ledger.sent_since` does."""
        count = 0
        for name in reversed(self._sent):
            if self._sent[name] < at:
                break
            status = self._orders[name].status
            is_left_out = status in NEVER_ARRIVED or (status == "intended" and name in without)
            count += self._sent[name] < at + LONGEST_DAY and not is_left_out
        return count

    def send_again(self, client_order_id: str, now: datetime) -> None:
        """Record that an order is about to be sent `now`, whatever came of it earlier."""
        del self._sent[client_order_id]
        self._sent[client_order_id] = now
        self._update_order(replace(self._orders[client_order_id], status="intended", at=now))

    def amend(self, client_order_id: str, quantity: float, terms: Terms) -> None:
        """Record that an order goes on with another quantity in all and other terms."""
        self._update_order(replace(self._orders[client_order_id], quantity=float(quantity), terms=terms))

    def _insert_order(self, order: OrderRecord, now: datetime) -> bool:
        if order.client_order_id in self._orders:
            return False
        self._sent[order.client_order_id] = now
        self._of_slot.setdefault((order.bot, order.slot), []).append(order.client_order_id)
        self._update_order(order if order.at == now else replace(order, at=now))
        return True

    def _update_order(self, order: OrderRecord) -> None:
        self._orders[order.client_order_id] = order
        if order.status in FINAL:
            self._open.pop(order.client_order_id, None)
        else:
            self._open[order.client_order_id] = order

    def _insert_fill(
        self,
        order: OrderRecord,
        quantity: Decimal,  # noqa: ARG002 - the account of the backtest has the fills
        each: Decimal | None,  # noqa: ARG002
        fee: Decimal,
        currency: str,
        now: datetime,  # noqa: ARG002
    ) -> None:
        if currency == order.symbol.partition("/")[2]:
            self._paid[order.client_order_id] = self._fees_paid(order.client_order_id) + fee

    def _fees_paid(self, client_order_id: str) -> Decimal:
        return self._paid.get(client_order_id, ZERO)

    def flows(self) -> dict[str, Decimal]:
        """Return, by currency, the money that the orders have brought in (above zero) or taken out."""
        return self._flows

    def _write_flow(self, currency: str, amount: Decimal) -> None:
        self._flows[currency] = amount

    def positions(self) -> list[Position]:
        """Return what each bot's own orders have made of each symbol, closed positions included."""
        return [self._positions[key] for key in sorted(self._positions)]

    def position(self, bot: str, symbol: str, *, takes: bool = False) -> Position:  # noqa: ARG002 - each has its bot
        """Return what the bot's own orders have made of a symbol."""
        key = bot, symbol
        found = self._positions.get(key) or self._untouched.get(key)
        if found is None:
            found = self._untouched[key] = Position(bot, symbol)
        return found

    def _position(self, bot: str, symbol: str) -> Position:
        return self.position(bot, symbol)

    def _write_position(self, one: Position) -> None:
        self._positions[one.bot, one.symbol] = one

    def _write_holdings(self, quantities: Mapping[str, float]) -> None:
        """Keep nothing: positions by bot are all that a backtest needs."""

    def _add_to_holdings(self, symbol: str, change: float) -> None:
        """Keep nothing, as above."""
