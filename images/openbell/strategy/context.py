"""What a strategy function is given: `def run(ctx: Context) -> None`.

    def run(ctx):
        for symbol in ctx.symbols:
            closes = ctx.bars(symbol, "1d", 50).closes
            ...
            ctx.signal(symbol, strength, fast=fast, slow=slow)
            ctx.order(symbol, "buy", 10, reason="fast above slow")

Everything that a strategy computes, decides and orders passes through here, and so into the journal. A strategy that is
always running has `def stream(ctx: StreamContext) -> None` instead, see stream.py.
"""

import json
import math
import os
import threading
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import MappingProxyType

import pytz

from openbell.journal import Journal
from openbell.ledger import Ledger, OrderRecord
from openbell.manifest import Bot, Manifest
from openbell.strategy.held_position import HeldPosition
from openbell.strategy.order_path import OrderPath
from openbell.trading.brokers import Broker, Order, PlacedOrder, Position
from openbell.trading.capital import quote_of
from openbell.trading.limits import is_usable
from openbell.trading.markets import Bar, Bars, Market, MarketError, Series
from openbell.trading.order_checks import OrderChecks
from openbell.trading.order_size import sizes_of
from openbell.trading.run_services import Halted, never_halted

SIDES = ("buy", "sell")
RESERVED = frozenset({"timestamp", "event", "level", "strategy", "boot_id"})


class StrategyError(ValueError):
    """A call of the strategy that cannot be meant so; the message says what to change."""


@dataclass(frozen=True)
class Run:
    """Which run a context belongs to: (bot, slot) and the attempt."""

    bot: Bot
    slot: datetime
    run_id: str
    attempt: int

    def fields(self) -> dict[str, object]:
        """Return what every journal line of the run carries."""
        return {"bot": self.bot.id, "slot": self.slot, "run_id": self.run_id, "attempt": self.attempt}


class State(MutableMapping[str, object]):
    """A bot's own small memory between runs: JSON values by name. It is kept if the run succeeds, and only then."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = dict(values)
        self._before = self._encoded()

    def kept(self) -> None:
        """Take the values as they are now for those that the ledger has."""
        self._before = self._encoded()

    @property
    def changed(self) -> bool:
        """Tell whether the run has changed anything, also inside a list or a mapping that it keeps here.

        StrategyError if one of the values has become something that cannot be kept.
        """
        return self._encoded() != self._before

    def _encoded(self) -> dict[str, str]:
        return {key: _json(key, value) for key, value in self._values.items()}

    def __getitem__(self, key: str) -> object:
        return self._values[key]

    def __setitem__(self, key: str, value: object) -> None:
        name: object = key  # strategies are not checked for types
        if not isinstance(name, str):
            msg = f"a name in ctx.state is a text, not {name!r:.100}"
            raise StrategyError(msg)
        # The round trip makes what this run reads back equal to what the next one will.
        self._values[key] = json.loads(_json(key, value))

    def __delitem__(self, key: str) -> None:
        del self._values[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)


def _json(key: str, value: object) -> str:
    try:
        return json.dumps(value, allow_nan=False)
    except Exception as error:  # noqa: BLE001 - a value's own methods may raise anything
        msg = f'ctx.state["{key}"] takes numbers, texts, lists and mappings of them: {error}'
        raise StrategyError(msg) from None


@dataclass(frozen=True)
class AccountView:
    """What an account holds, with all that other strategies and people have bought there."""

    cash: Mapping[str, float]  # by currency
    currency: str
    equity: float | None  # None where the broker does not say
    buying_power: float | None
    positions: Mapping[str, Position]  # by symbol


class BotContext:
    """What scheduled and streaming strategies have in common.

    bot: the bot's id. symbols: its symbols. params: its [bot.params], read only.
    state: a mapping that the bot finds again at its next run.
    """

    def __init__(
        self,
        manifest: Manifest,
        run: Run,
        market: Market,
        broker: Broker,
        ledger: Ledger,
        journal: Journal,
        clock: Callable[[], datetime],
        halted: Halted = never_halted,
    ) -> None:
        self.bot = run.bot.id
        self.symbols = run.bot.symbols
        self.params = run.bot.params
        self.state = State(ledger.state(run.bot.id))
        self.decisions: dict[str, str] = {}  # symbol → last action; what the run has decided so far
        self._zone = pytz.timezone(manifest.timezone)
        self._secrets = manifest.secrets
        self._run = run
        self._market = market
        self._broker = broker
        self._ledger = ledger
        self._journal = journal
        self._clock = clock
        self._checks = OrderChecks(manifest, run.bot, market, broker, ledger, halted)
        self._orders = OrderPath(run.bot.id, broker, ledger, self._checks, clock)
        self._signals: dict[str, object] = {}
        self._sent: set[str] = set()  # client_order_ids of this run
        self._one_thread = threading.RLock()  # the strategy may order and log from threads of its own

    @property
    def slot(self) -> datetime:
        """The instant for which the strategy is asked to decide, aware UTC."""
        return self._run.slot

    @property
    def now(self) -> datetime:
        """The same instant on the strategy's own wall clock."""
        return self.slot.astimezone(self._zone)

    def bars(self, symbol: str, timeframe: str, count: int, *, extended: bool = False) -> Bars:
        """Return the last `count` bars that had closed at the slot, oldest first; fewer where there are no more.

        Prices are adjusted for splits and dividends. A bar without its figures is left out, and the journal says so.
        extended: also bars of shares before the open and after the close, where the market has them. MarketError if the market
        has no such symbol or timeframe.
        """
        at = self.slot
        ask = getattr(self._market, "extended_bars", None) if extended else self._market.bars
        if ask is None:
            msg = "this market has no bars outside of sessions: leave extended=True out"
            raise StrategyError(msg)
        bars: Bars = ask(symbol, timeframe, count, at)
        if not getattr(self._market, "is_complete", False):
            whole = Bars(bar for bar in bars if _is_whole(bar))
            if len(whole) < len(bars):
                missing = [bar.timestamp for bar in bars if not _is_whole(bar)]
                told = {"symbol": symbol, "timeframe": timeframe, "count": len(missing), "newest": missing[-1]}
                self._warn("bars_incomplete", **told)
                bars = whole
        stale = self._checks.stale(symbol, timeframe, bars, at)
        if stale is not None:
            self._warn("stale_data", **stale)
        return bars

    def series(self, name: str, count: int) -> Series:
        """Return the last `count` values of a named series that were known at the slot, oldest first; MarketError if none."""
        return self._market.series(name, count, self.slot)

    def price(self, symbol: str) -> float:
        """Return the price at which an order sent now would fill, as far as the market knows; MarketError if it is no price."""
        price = self._market.price(symbol, self.slot)
        if not is_usable(price):
            msg = f"no usable price of {symbol}: the market says {price}"
            raise MarketError(msg)
        return price

    def position(self, symbol: str) -> HeldPosition:
        """Return what this bot's own orders have made of `symbol`: a float of units that knows its average price and profit.

        It is 0.0 for none, and where too little is left for an order. What the account holds beside it is `ctx.account`.
        """
        own = self._ledger.position(self.bot, symbol, takes=symbol in self.symbols)
        rules = sizes_of(self._broker, symbol) if own.quantity else None
        is_dust = rules is not None and self._checks.is_dust(symbol, abs(own.quantity), rules, self.slot)
        return HeldPosition(own, lambda: self.price(symbol), is_dust=is_dust)

    @property
    def cash(self) -> float:
        """The strategy's cash in the currency of the bot's first symbol: of its share if the manifest has [capital]."""
        return self._checks.share.cash(self._broker.account(), quote_of(self.symbols[0]))

    @property
    def account(self) -> "AccountView":
        """What the account holds, whoever has bought it."""
        account = self._broker.account()
        cash = dict(account.balances) or {account.currency: account.cash}
        positions = MappingProxyType(self._broker.positions())
        return AccountView(MappingProxyType(cash), account.currency, account.equity, account.buying_power, positions)

    def secret(self, name: str) -> str:
        """Return a secret that the manifest names under `secrets`."""
        if name not in self._secrets:
            msg = f'{name} is not in the manifest: add it, as in secrets = ["{name}"]'
            raise StrategyError(msg)
        return os.environ[name]

    def look_at_equity(self) -> None:
        """Take the day's first look at the account, if a limit of the manifest counts from there."""
        self._checks.look_at_equity(self.slot, self._clock())

    def leave_out(self, symbol: str, reason: str) -> bool:
        """Go on without a symbol that the market does not know, from the beginning; tell whether it was one of the bot's."""
        if symbol not in self.symbols:
            return False
        self._warn("symbol_unavailable", symbol=symbol, reason=reason)
        self.symbols = tuple(one for one in self.symbols if one != symbol)
        self.state = State(self._ledger.state(self.bot))
        self._sent.clear()
        self.decisions[symbol] = "hold"
        self.hold(symbol, reason=f"left out: {reason}")
        return True

    def end_threads(self, seconds: float) -> None:
        """Let an order that another thread is sending get its answer and its line, and no thread send any more."""
        self._one_thread.acquire(timeout=seconds)

    def signal(self, symbol: str, value: float, **values: object) -> None:
        """Record what was computed for `symbol`: the signal, and by name the values it was computed from."""
        self._signals[symbol] = value
        self._write("signal", symbol=symbol, signal=value, **values)

    def hold(self, symbol: str, *, reason: str) -> None:
        """Record the decision to do nothing about `symbol`, and why."""
        self.decisions.setdefault(symbol, "hold")
        self._write("decision", symbol=symbol, action="hold", reason=reason, signal=self._signals.get(symbol), qty=0)

    def log(self, message: str, **values: object) -> None:
        """Write a line of the strategy's own into the journal."""
        self._write("note", message=message, **values)

    def open_orders(self, symbol: str | None = None) -> tuple[OrderRecord, ...]:
        """Return the bot's orders that wait to be filled, of one symbol or of all: `.filled` of `.quantity` is done."""
        waiting = self._ledger.open_orders()
        return tuple(one for one in waiting if one.bot == self.bot and symbol in {None, one.symbol})

    def cancel(self, order: OrderRecord | PlacedOrder, *, reason: str) -> PlacedOrder:
        """Cancel what is not filled yet of an order, and return the order as it is then.

        One that has filled meanwhile is returned as filled. BrokerError if the broker cannot be asked.
        """
        with self._one_thread:
            placed = self._orders.cancel(order.client_order_id)
            self._write(
                "order_cancel",
                symbol=order.symbol,
                side=order.side,
                reason=reason,
                client_order_id=order.client_order_id,
                order_id=placed.order_id,
                status=placed.status,
                filled_qty=placed.filled_quantity,
                filled_price=placed.filled_price,
            )
            return placed

    def _order(
        self, client_order_id: str, symbol: str, side: str, quantity: float, reason: str, leg: str
    ) -> PlacedOrder:
        if side not in SIDES:
            msg = f'side is "buy" or "sell", not {side!r}'
            raise StrategyError(msg)
        if isinstance(quantity, bool) or not math.isfinite(quantity) or quantity <= 0:
            msg = f"the quantity of an order is a positive number, not {quantity!r}"
            raise StrategyError(msg)
        with self._one_thread:
            return self._place(Order(client_order_id, symbol, side, float(quantity)), reason, leg)

    def _place(self, order: Order, reason: str, leg: str) -> PlacedOrder:
        symbol, side = order.symbol, order.side
        sent = self._orders.send(order, leg, self._run.slot, self.slot)
        placed = sent.placed
        if placed.status == "refused":
            self._write_refusal(placed, reason, order.quantity)
            return placed
        self.decisions[symbol] = side if placed.status != "rejected" else "rejected"
        self._line(
            "decision",
            "warning" if placed.status in {"rejected", "uncertain"} else "info",
            {
                "symbol": symbol,
                "action": side,
                "reason": reason,
                "signal": self._signals.get(symbol),
                "qty": placed.quantity,
                "client_order_id": order.client_order_id,
                "order_id": placed.order_id,
                "status": placed.status,
                "filled_qty": placed.filled_quantity,
                "filled_price": placed.filled_price,
                **({"broker_reason": placed.reason} if placed.reason else {}),
                **sent.told,
            },
        )
        return placed

    def _write_refusal(self, placed: PlacedOrder, wanted: str, quantity: float) -> None:
        self.decisions[placed.symbol] = "refused"
        self._warn(
            "decision",
            symbol=placed.symbol,
            action="refused",
            reason=placed.reason,
            signal=self._signals.get(placed.symbol),
            qty=0,
            side=placed.side,
            wanted_qty=quantity,
            wanted_reason=wanted,
        )

    def _write(self, event: str, /, **fields: object) -> None:
        self._line(event, "info", fields)

    def _warn(self, event: str, /, **fields: object) -> None:
        self._line(event, "warning", fields)

    def _line(self, event: str, level: str, fields: Mapping[str, object]) -> None:
        # What identifies the run cannot be overwritten by a strategy's own names.
        own = {**self._run.fields(), **self._market.provenance(self.slot)}
        clashing = sorted(RESERVED.union(own).intersection(fields))
        if clashing:
            msg = f"the name {clashing[0]} belongs to the journal: choose another for this value"
            raise StrategyError(msg)
        with self._one_thread:
            self._journal.write(event, self._clock(), {**own, **fields}, level=level)


class Context(BotContext):
    """One run of one bot, as its strategy sees it. `slot` is the slot of the run."""

    def order(self, symbol: str, side: str, quantity: float, *, reason: str, leg: str = "") -> PlacedOrder:
        """Send an order to buy or sell `quantity` of `symbol`, once, and return the broker's answer.

        The order's identity is (bot, slot, symbol, side, leg): a retry of the run, or the next run after a crash, finds
        the order that was sent already and sends no second one. `leg` tells two orders of one side in one run apart.
        A rejected order is an answer (`status`), and so is one that openbell refuses to send (a limit of the manifest, a
        halt, stale data: `status` is "refused", `reason` says which). BrokerError means that the broker gave no answer.
        """
        client_order_id = order_identity(self.bot, self.slot, symbol, side, leg)
        with self._one_thread:
            if client_order_id in self._sent:
                msg = f'this run has an order to {side} {symbol} already: tell a second one apart with leg="2"'
                raise StrategyError(msg)
            placed = self._order(client_order_id, symbol, side, quantity, reason, leg)
            self._sent.add(client_order_id)  # an order that the broker gave no answer to may be tried again
            return placed


def _is_whole(bar: Bar) -> bool:
    """Tell whether a bar has all of its figures: prices above zero, and a volume."""
    _, *prices, volume = bar
    return all(map(is_usable, prices)) and math.isfinite(volume) and volume >= 0


def order_identity(bot: str, occasion: datetime | str, symbol: str, side: str, leg: str) -> str:
    """Return the client_order_id of an order: a short hash that is the same whenever the same occasion decides the same.

    occasion: the slot, or the id of the event that a stream answers to.
    """
    import hashlib  # noqa: PLC0415 - loads OpenSSL, megabytes that the loop does without and a run without orders too

    text = occasion if isinstance(occasion, str) else occasion.astimezone(UTC).isoformat(timespec="microseconds")
    identity = json.dumps([bot, text, symbol, side, leg])
    return "ob-" + hashlib.sha256(identity.encode()).hexdigest()[:24]
