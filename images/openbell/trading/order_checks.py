"""What stands between a decision and the broker: how much is sent, whether it is an exit, and why it must not be sent."""

from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from decimal import Decimal

from openbell import abilities
from openbell.ledger import Ledger, OrderRecord
from openbell.ledger.records import NOT_COMPARED
from openbell.manifest import Bot, Manifest
from openbell.order_terms import STOP_LOSS, TAKE_PROFIT, Terms, leg_id, leg_of
from openbell.position import ZERO, decimal
from openbell.records import dataclass, replace
from openbell.trading import account_facts, strategy_day
from openbell.trading.brokers import Broker, BrokerError, Order
from openbell.trading.capital import Share, names_of, quote_of
from openbell.trading.limits import Exposure, is_usable, refusal
from openbell.trading.markets import Bars, Market, MarketError, timeframes
from openbell.trading.order_size import SizeRules, as_decimal, priced, sizes_of
from openbell.trading.run_services import Halted
from openbell.trading.waiting_orders import left_to_fill

_COIN_FEE = Decimal("0.005")  # the part of a purchase that an exchange may have kept


@dataclass(frozen=True)
class CheckedOrder:
    """An order as it would be sent, and why it must not be; `told` is what the journal says of it beside that."""

    order: Order
    reason: str  # empty if it may be sent
    told: Mapping[str, object]


class OrderChecks:
    """The checks of one run's orders."""

    def __init__(
        self, manifest: Manifest, bot: Bot, market: Market, broker: Broker, ledger: Ledger, halted: Halted
    ) -> None:
        self._manifest = manifest
        self._bot = bot
        self._market = market
        self._broker = broker
        self._ledger = ledger
        self._halted = halted
        self.share = Share(manifest.capital, bot.symbols, ledger)  # the strategy's, of the account
        self._stale: dict[tuple[str, str], str] = {}  # why nothing is added to a position, by symbol and timeframe
        self._judged = ""  # the order that is judged: what an earlier attempt recorded of it does not count beside it

    def begin(self) -> None:
        """Become the checks of the bot's next run."""
        self._stale.clear()

    def needs_lock(self, side: str) -> bool:
        """Tell whether orders of a side must be decided on one after the other, since one counts for the next."""
        return side == "sell" or self._manifest.limits.are_set or self._manifest.capital.is_set

    def judge(self, wanted: Order, slot: datetime, now: datetime) -> CheckedOrder:
        """Return the order as it would be sent, or why it is not."""
        self._judged = leg_of(wanted.client_order_id)[0] or wanted.client_order_id
        rules = sizes_of(self._broker, wanted.symbol)
        own = getattr(self._broker, "abilities", None)
        is_whole = as_decimal(wanted.quantity) == int(wanted.quantity)
        if cannot := abilities.refusal(self._manifest.broker, wanted.terms, wanted.symbol, own, is_whole=is_whole):
            return CheckedOrder(wanted, cannot, {})
        if (rounded := priced(wanted.terms, wanted.side, rules)) is not wanted.terms:
            wanted = replace(wanted, terms=rounded)
        sized, reason = self._sized(wanted, rules, slot)
        told: dict[str, object] = {"wanted_qty": wanted.quantity} if sized.quantity != wanted.quantity else {}
        if terms := sized.terms.fields():
            told["terms"] = terms
        if sized.value is not None:
            told["sent_value"] = sized.value
        if sized.is_exit and (stale := self._stale_reason):
            told["stale"] = stale
        return CheckedOrder(sized, reason or self._refusal(sized, slot, now), told)

    def replaced(
        self, record: OrderRecord, quantity: float, terms: Terms, slot: datetime, now: datetime
    ) -> CheckedOrder:
        """Return an order that waits as it would be with another quantity in all and other terms, or why it must not be so."""
        own = getattr(self._broker, "abilities", None)
        if cannot := abilities.refusal(self._manifest.broker, terms, record.symbol, own, changes=True):
            return CheckedOrder(_order_of(record), cannot, {})
        left = replace(_order_of(record), quantity=max(0.0, quantity - record.filled), terms=terms)
        judged = self.judge(left, slot, now)
        in_all = float(as_decimal(judged.order.quantity) + as_decimal(record.filled))
        return CheckedOrder(replace(judged.order, quantity=in_all), judged.reason, judged.told)

    def _sized(self, wanted: Order, rules: SizeRules, slot: datetime) -> tuple[Order, str]:
        """Return the order in whole steps and as an exit if it is one, with what keeps it from being sent at all."""
        quantity, free = as_decimal(wanted.quantity), self._free(wanted.symbol, wanted.side)
        if wanted.side == "sell" and free > 0 and self._takes_all(wanted.symbol, quantity, free, rules, slot):
            quantity = free
        whole = rules.rounded(quantity)
        if not whole:
            step = f"{rules.step:f}"
            return wanted, f"{wanted.quantity:g} {wanted.symbol} is less than the market's smallest step of {step}"
        is_exit = ZERO < whole <= free
        # A sale by value could sell more than is held, and whole shares have no value of their own choosing.
        by_value = wanted.side == "buy" and not is_exit and rules.step < 1 and _is_plain(wanted.terms)
        value = wanted.value if by_value and abilities.takes_value(self._manifest.broker, wanted.symbol) else None
        sized = wanted
        if (float(whole), is_exit, value) != (wanted.quantity, wanted.is_exit, wanted.value):
            sized = replace(wanted, quantity=float(whole), is_exit=is_exit, value=value)
        if reason := _legs_problem(sized):
            return sized, reason
        if wanted.side == "sell" and not is_exit and not self._manifest.limits.short:
            held = max(ZERO, free)
            return sized, (
                f"insufficient position: sells {whole:f} {wanted.symbol}, and this bot has {held:f} to sell; "
                "only [limits] short = true lets it sell what it does not hold"
            )
        return sized, ""

    def _takes_all(self, symbol: str, quantity: Decimal, free: Decimal, rules: SizeRules, slot: datetime) -> bool:
        """Tell whether a sale is of all that is held: a fee was kept from it, or its rest could not be sold alone."""
        if quantity > free:
            return "/" in symbol and quantity - free <= free * _COIN_FEE
        rest = free - quantity
        return rest > 0 and self.is_dust(symbol, rest, rules, slot)

    def is_dust(self, symbol: str, quantity: Decimal, rules: SizeRules, slot: datetime) -> bool:
        """Tell whether so little of a symbol is left that no order could sell it."""
        if rules.is_too_small(quantity, Decimal("Infinity")):
            return True
        if not rules.smallest_value:
            return False
        price = self._market.price(symbol, slot)
        return is_usable(price) and rules.is_too_small(quantity, decimal(price))

    def _free(self, symbol: str, side: str) -> Decimal:
        """Return how much of the bot's position an order of this side can close, without what waits to close it already."""
        position = self._ledger.position(self._bot.id, symbol, takes=symbol in self._bot.symbols).quantity
        held = position if side == "sell" else -position
        waiting = [one for one in self._waiting(symbol) if one.bot == self._bot.id]
        free = held - left_to_fill(waiting, side)
        is_uncertain = any(one.status == "uncertain" and one.side == side for one in waiting)
        is_doubtful = is_uncertain or symbol in account_facts.differences(self._ledger)
        if free > 0 and is_doubtful:
            # No more than is really ours: the broker's word counts where ours is in doubt, without what others say is theirs.
            there = self._broker.positions().get(symbol)
            really = decimal(there.quantity if there else 0.0) - account_facts.held_by_others(self._ledger, symbol)
            free = min(free, max(ZERO, really if side == "sell" else -really))
        return free

    def _waiting(self, symbol: str) -> list[OrderRecord]:
        return [one for one in self._others() if one.symbol == symbol]

    def _others(self) -> list[OrderRecord]:
        """Return the orders that wait, without the one that is judged and its legs."""
        waiting = self._ledger.open_orders()
        return [one for one in waiting if self._judged not in {one.client_order_id, leg_of(one.client_order_id)[0]}]

    def _refusal(self, order: Order, slot: datetime, now: datetime) -> str:
        if reason := self._halted(is_exit=order.is_exit):
            return reason
        if self._ledger.fact(NOT_COMPARED):
            return "the database has lost commits: no order leaves before the account was compared with what is left"
        if order.is_exit:
            return ""
        if stale := self._stale_reason:
            return stale
        if uncertain := next((one for one in self._waiting(order.symbol) if one.status == "uncertain"), None):
            return (
                f"uncertain order: an order to {uncertain.side} {uncertain.quantity:g} {order.symbol} may have arrived; look at "
                f"the broker, then make reconcile STRATEGY={self._manifest.name} ADOPT=1"
            )
        if differs := account_facts.differences(self._ledger).get(order.symbol):
            ours, theirs = differs
            return (
                f"unexplained difference: our orders say {ours:g} {order.symbol}, and the broker holds {theirs:g}; see "
                f"make reconcile STRATEGY={self._manifest.name}"
            )
        if self._manifest.limits.are_set or self._manifest.capital.is_set:
            if reason := refusal(self._manifest.limits, order, self._exposure(order, slot, now)):
                return reason
            return self._halted()  # judging took its time, at a broker far away
        return ""

    def stale(self, symbol: str, timeframe: str, bars: Bars, at: datetime) -> dict[str, object] | None:
        """Return what the journal is to say of bars that are older than they should be; None if they are not.

        Such bars stop new exposure until newer ones have come: a stream asks again and again.
        """
        if "historical_day" in self._market.provenance(at):
            return None
        expected = timeframes.expected_close(timeframe, at, self.calendar_of(symbol))
        newest = bars[-1].timestamp if bars else None
        self._stale.pop((symbol, timeframe), None)
        if expected is None or (newest is not None and newest >= expected):
            return None
        trades = self._manifest.stale == "trade"
        if not trades:
            told = f"{newest:%Y-%m-%d %H:%M} UTC" if newest else "none at all"
            self._stale[symbol, timeframe] = (
                f"stale data: the newest {timeframe} bar of {symbol} is {told}, expected {expected:%Y-%m-%d %H:%M} UTC"
            )
        return {
            "symbol": symbol,
            "timeframe": timeframe,
            "newest_bar": newest,
            "expected": expected,
            "action": "traded" if trades else "refused",
        }

    @property
    def _stale_reason(self) -> str:
        return next(iter(self._stale.values()), "")

    def calendar_of(self, symbol: str) -> str | None:
        """Return the calendar whose sessions a symbol is traded in; None for one that is traded always."""
        if self._bot.schedule.calendar is not None:
            return self._bot.schedule.calendar
        return None if "/" in symbol else timeframes.CALENDARS.get(self._manifest.market)

    def _exposure(self, order: Order, slot: datetime, now: datetime) -> Exposure:
        limits, has_share = self._manifest.limits, self._manifest.capital.is_set
        midnight = strategy_day.beginning(now, self._manifest.timezone)
        by_value = limits.max_order_value is not None or limits.max_position is not None or has_share
        cash = self._free_cash(order.symbol) if has_share and order.side == "buy" else None
        return Exposure(
            price=self._market.price(order.symbol, slot) if by_value else None,
            held=self._held(order.symbol, order.side) if limits.max_position is not None else 0.0,
            orders_today=self._sent_since(midnight) if limits.max_orders_per_day is not None else 0,
            loss_today=self._loss(midnight, slot) if limits.max_daily_loss is not None else 0.0,
            cash=cash,
        )

    def _sent_since(self, midnight: datetime) -> int:
        """Return how many orders were sent; one that is tried again, because its answer never came, is not two."""
        legs = (leg_id(self._judged, leg) for leg in (TAKE_PROFIT, STOP_LOSS))
        return self._ledger.sent_since(midnight, without=(self._judged, *legs))

    def _free_cash(self, symbol: str) -> float:
        """Return the share's cash, without what purchases that wait may still take of it."""
        account = self._broker.account()
        names = names_of(quote_of(symbol), account)
        waiting = [one for one in self._others() if one.side == "buy" and quote_of(one.symbol) in names]
        return self.share.cash(account, names[0]) - sum(
            one.left * one.terms.limit
            for one in waiting
            if one.terms.limit is not None and not leg_of(one.client_order_id)[0]
        )

    def _held(self, symbol: str, side: str) -> float:
        """Return what the strategy's bots hold of the symbol, with all that open orders of this side may add or take."""
        held = sum((one.quantity for one in self._ledger.positions() if one.symbol == symbol), ZERO)
        left = left_to_fill(self._waiting(symbol), side)
        return float(held + left if side == "buy" else held - left)

    def _loss(self, midnight: datetime, slot: datetime) -> float:
        """Return by how much equity has fallen since the day's first look, which is this one if there was none."""
        equity = self.equity(slot)
        fact = f"equity at the first look after {midnight:%Y-%m-%d %H:%M}"
        first = self._ledger.fact(fact)
        if first is None:
            self._ledger.remember(fact, repr(equity))
            return 0.0
        return float(first) - equity

    def equity(self, slot: datetime) -> float:
        """Return what the strategy is worth: its share, or all of the account."""
        account = self._broker.account()
        own = self.share.equity(account, lambda symbol: self._market.price(symbol, slot))
        if own is not None:
            return own
        if account.equity is not None:
            return account.equity
        held = self._broker.positions().values()
        return account.cash + sum(one.quantity * self._market.price(one.symbol, slot) for one in held)

    def record_opening_equity(self, slot: datetime, now: datetime) -> None:
        """Take the day's first look at the account before anything is decided, if a limit asks for it.

        An account that cannot be looked at now keeps no exit from being sent: new exposure asks for it again.
        """
        if self._manifest.limits.max_daily_loss is not None:
            with suppress(BrokerError, MarketError):
                self._loss(strategy_day.beginning(now, self._manifest.timezone), slot)


def _is_plain(terms: Terms) -> bool:
    return terms.kind == "market" and not terms.legs and terms.time_in_force in {"", "day"}


def _legs_problem(order: Order) -> str:
    if order.terms.is_pair and not order.is_exit:
        return "a pair of exits closes what this bot holds and what no other order is to close"
    if order.terms.legs and not order.terms.is_pair and order.is_exit:
        return "a bracket opens a position, and this order closes one: send a pair of exits instead"
    return ""


def _order_of(record: OrderRecord) -> Order:
    return Order(record.client_order_id, record.symbol, record.side, record.quantity, terms=record.terms)
