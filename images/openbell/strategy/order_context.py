"""What a strategy does with orders: send them, change them, cancel them, and see what they have made of its positions."""

import math
from collections.abc import Mapping
from decimal import Decimal
from types import MappingProxyType

from openbell import order_terms
from openbell.ledger import OrderRecord
from openbell.order_terms import Terms, leg_of
from openbell.records import replace
from openbell.strategy import order_lines
from openbell.strategy.account_context import AccountContext
from openbell.strategy.run_state import StrategyError, order_identity
from openbell.trading.brokers import FINAL, Order, PlacedOrder

SIDES = ("buy", "sell")
_NOTHING: Mapping[str, object] = MappingProxyType({})
CLOSE = "close"  # the leg of orders that ctx.close sends


class OrderContext(AccountContext):
    """The broker's side of a run.

    The identity of an order is (bot, slot, symbol, side, leg), in a stream with the id of an event in the slot's place: a
    retry of the run, or the next run after a crash, finds the order that was sent already and sends no second one. `leg`
    tells two orders of one side in one run apart.
    """

    def order(
        self,
        symbol: str,
        side: str,
        quantity: float | None = None,
        *,
        reason: str,
        value: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
        trail: float | str | None = None,
        time_in_force: str = "",
        extended_hours: bool = False,
        leg: str = "",
        event: str = "",
    ) -> PlacedOrder:
        """Send an order to buy or sell `quantity` of `symbol`, once, and return the broker's answer.

        value: instead of a quantity, what the order is to be worth at the newest price. limit: no worse than this price;
        stop: not before this price is reached; trail: a stop that follows the best price, at a distance (2.5) or a part
        ("3%"). time_in_force: "day", "gtc", "ioc", "opg" or "cls"; unset, a share's order is for the day, and one of a pair
        good until it is cancelled. event: in a stream, the id of what the order answers to.

        A rejected order is an answer (`status`), and so is one that openbell refuses to send (a limit of the manifest, a
        halt, stale data, something that the venue cannot do): `status` is "refused", `reason` says why. BrokerError means
        that the broker gave no answer.
        """
        distance, percent = _trail(trail)
        terms = Terms(limit, stop, distance, percent, time_in_force, extended_hours)
        return self._decide(symbol, side, quantity, value, terms, reason, leg, event)

    def bracket(
        self,
        symbol: str,
        side: str,
        quantity: float | None = None,
        *,
        take_profit: float,
        stop_loss: float,
        reason: str,
        value: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
        time_in_force: str = "",
        leg: str = "",
        event: str = "",
    ) -> PlacedOrder:
        """Open a position with an order that brings its two exits along, of which one cancels the other.

        They rest at the venue, and so outlive this process; a venue that cannot keep them refuses the bracket. Both are
        in `ctx.open_orders`. take_profit and stop_loss are prices.
        """
        terms = Terms(limit, stop, time_in_force=time_in_force, take_profit=take_profit, stop_loss=stop_loss)
        return self._decide(symbol, side, quantity, value, terms, reason, leg, event)

    def exits(
        self,
        symbol: str,
        quantity: float | None = None,
        *,
        take_profit: float,
        stop_loss: float,
        reason: str,
        time_in_force: str = "gtc",
        leg: str = "",
        event: str = "",
    ) -> PlacedOrder:
        """Send two exits for what is held, all of it or `quantity`, of which one cancels the other; they rest at the venue."""
        held = self.position(symbol)
        if not held:
            msg = f"this bot holds no {symbol} that exits could close"
            raise StrategyError(msg)
        terms = Terms(take_profit, time_in_force=time_in_force, stop_loss=stop_loss, is_pair=True)
        side = "sell" if held > 0 else "buy"
        return self._decide(symbol, side, quantity or abs(held), None, terms, reason, leg, event)

    def close(self, symbol: str, *, reason: str, event: str = "") -> PlacedOrder | None:
        """Cancel the bot's orders of `symbol` and close its position; return the closing order, None if nothing is held."""
        for one in self.open_orders(symbol):
            # A leg goes with the order that it belongs to, where that still waits.
            if one.status != "uncertain" and not self._has_waiting_parent(one):
                self.cancel(one, reason=reason)
        held = self.position(symbol)
        if not held:
            self.hold(symbol, reason=f"{reason}: nothing is held")
            return None
        side = "sell" if held > 0 else "buy"
        return self._decide(symbol, side, abs(held), None, order_terms.MARKET, reason, CLOSE, event)

    def replace(
        self,
        order: OrderRecord | PlacedOrder,
        *,
        reason: str,
        quantity: float | None = None,
        limit: float | None = None,
        stop: float | None = None,
    ) -> PlacedOrder:
        """Give an order that waits another quantity (in all), limit or stop, at the venue, and return it as it is then.

        What is not named stays. One that has filled meanwhile is returned as filled. BrokerError if the venue cannot.
        """
        record = self._ledger.order(order.client_order_id)
        if record is None or record.bot != self.bot:
            msg = f"this bot has no order {order.client_order_id}"
            raise StrategyError(msg)
        if record.terms.legs and quantity is not None:
            msg = "the quantity of a bracket cannot be changed: cancel it, and send another one"
            raise StrategyError(msg)
        terms = replace(record.terms, limit=limit or record.terms.limit, stop=stop or record.terms.stop)
        if wrong := order_terms.problem(record.side, terms):
            raise StrategyError(wrong)
        with self._progress.one_thread:
            placed, terms = self._replaced(record, quantity or record.quantity, terms)
            self._progress.write("order_replace", order_lines.change(placed, reason, terms))
            return placed

    def open_orders(self, symbol: str | None = None) -> tuple[OrderRecord, ...]:
        """Return the bot's orders that wait to be filled, of one symbol or of all: `.filled` of `.quantity` is done."""
        waiting = self._ledger.open_orders()
        return tuple(one for one in waiting if one.bot == self.bot and symbol in {None, one.symbol})

    def cancel(self, order: OrderRecord | PlacedOrder, *, reason: str) -> PlacedOrder:
        """Cancel the part of an order that is not filled yet, and return the order as it is then.

        One that has filled meanwhile is returned as filled. BrokerError if the broker cannot be asked.
        """
        with self._progress.one_thread:
            placed = self._progress.orders.cancel(order.client_order_id)
            self._progress.write("order_cancel", order_lines.change(placed, reason))
            return placed

    def _replaced(self, record: OrderRecord, quantity: float, terms: Terms) -> tuple[PlacedOrder, Terms]:
        path = self._progress.orders
        if record.status in FINAL:
            return path.query(record), record.terms
        judged = self._checks.replaced(record, quantity, terms, self.slot, self._progress.services.clock())
        if judged.reason:
            return replace(path.query(record), status="refused", reason=judged.reason), record.terms
        if (judged.order.terms, judged.order.quantity) == (record.terms, record.quantity):
            return path.query(record), record.terms
        return path.replace(record, judged.order.quantity, judged.order.terms), judged.order.terms

    def _has_waiting_parent(self, one: OrderRecord) -> bool:
        parent = self._ledger.order(leg_of(one.client_order_id)[0])
        return parent is not None and parent.status not in FINAL

    def _identity(self, symbol: str, side: str, leg: str, event: str) -> str:
        """Return the client_order_id of an order; StrategyError if a run of this kind does not name orders so."""
        return order_identity(self.bot, self._progress.occasion(event), symbol, side, leg)

    def _decide(
        self,
        symbol: str,
        side: str,
        quantity: float | None,
        value: float | None,
        terms: Terms,
        reason: str,
        leg: str,
        event: str,
        told: Mapping[str, object] = _NOTHING,
    ) -> PlacedOrder:
        if self._progress.bot.function == "prepare":
            msg = "prepare() sends no orders: decide in run()"
            raise StrategyError(msg)
        if side not in SIDES:
            msg = f'side is "buy" or "sell", not {side!r}'
            raise StrategyError(msg)
        if wrong := order_terms.problem(side, terms):
            raise StrategyError(wrong)
        if (quantity is None) == (value is None):
            msg = "an order has either a quantity or a value"
            raise StrategyError(msg)
        if value is not None:
            price = terms.limit or self.price(symbol)
            quantity = _positive(value, "value") / price
            told = {**told, "wanted_value": value, "price": price}
        identity, wanted = self._identity(symbol, side, leg, event), float(_positive(quantity, "quantity"))
        order = Order(identity, symbol, side, wanted, terms=terms, reason=reason, value=value)
        with self._progress.sending(order):
            return self._send(order, reason, leg, told)

    def _send(self, order: Order, reason: str, leg: str, told: Mapping[str, object]) -> PlacedOrder:
        progress = self._progress
        sent = progress.orders.send(order, leg, progress.run.slot, progress.slot)
        placed = sent.placed
        signal = progress.signals.get(order.symbol)
        if placed.status == "refused":
            progress.decisions[placed.symbol] = "refused"
            line = {**order_lines.refusal(placed, reason, signal, order.quantity), **told}
            progress.write("decision", line, level="warning")
            return placed
        progress.decisions[order.symbol] = order.side if placed.status != "rejected" else "rejected"
        level = "warning" if placed.status in {"rejected", "uncertain"} else "info"
        line = {**order_lines.decision(order, placed, reason, signal), **told, **sent.told}
        progress.write("decision", line, level=level)
        return placed


def _positive(value: float | None, name: str) -> float:
    if value is None or isinstance(value, bool) or not math.isfinite(value) or value <= 0:
        msg = f"the {name} of an order is a positive number, not {value!r}"
        raise StrategyError(msg)
    return value


def _trail(trail: float | str | None) -> tuple[float | None, float | None]:
    """Return the distance and the per cent of a trailing stop."""
    if not isinstance(trail, str):
        return trail, None
    try:
        return None, float(Decimal(trail.strip().removesuffix("%")))
    except ArithmeticError:
        msg = f'trail is a distance such as 2.5 or a part such as "3%", not {trail!r}'
        raise StrategyError(msg) from None
