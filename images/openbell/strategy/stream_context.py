"""What a strategy that is always running is given: `def stream(ctx: StreamContext) -> None`.

    def stream(ctx):
        for tick in ctx.events(connect(ctx.symbols)):
            if tick.price > ctx.params["above"]:
                ctx.order(tick.symbol, "buy", 10, reason="broke out", event=tick.id)

The loop keeps it running: it is started again with a growing pause when it ends, and killed when it does not beat for
longer than its `timeout`.
"""

import os
import threading
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import TypeVar, cast

from openbell import heartbeat
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Manifest
from openbell.strategy.context import BotContext
from openbell.strategy.run_state import Run, at_event
from openbell.trading.brokers import Account, Broker, BrokerError, CanReplace, Order, PlacedOrder, Position
from openbell.trading.markets import Market
from openbell.trading.order_size import SizeRules, sizes_of
from openbell.trading.run_services import Halted, never_halted

T = TypeVar("T")

BEAT_EVERY = 1.0  # seconds; a stream of a thousand events a second leaves no more beats than that


class StreamStopped(BaseException):  # not an error: the stream is to end now
    """Raised in a stream when its container stops or its bot is paused; let it pass."""


class StreamContext(BotContext):
    """One stream of one bot, as its strategy sees it. `slot` and `now` are the present."""

    def __init__(
        self,
        manifest: Manifest,
        run: Run,
        market: Market,
        broker: Broker,
        ledger: Ledger,
        journal: Journal,
        clock: Callable[[], datetime],
        folder: Path,
        halted: Halted = never_halted,
        *,
        strategy_folder: Path | None = None,
    ) -> None:
        super().__init__(
            manifest, run, market, broker, ledger, journal, clock, halted, folder=strategy_folder, occasion=at_event
        )
        self._folder = folder  # where beats are left
        self._loop = os.getppid()
        self._beat_at = float("-inf")
        self._in_order = False
        self._stopping = False

    @property
    def slot(self) -> datetime:
        """The present, aware UTC: a stream decides about now."""
        return self._clock()

    def beat(self) -> None:
        """Say that the stream is alive; call it at least once within the bot's `timeout`, also when nothing happens.

        What has changed in `state` is kept from here on.
        """
        if self._stopping:
            raise StreamStopped  # asked for while another thread beat or ordered
        if os.getppid() != self._loop:
            raise StreamStopped  # the loop is gone, and the one that follows starts a stream of its own
        if time.monotonic() - self._beat_at >= BEAT_EVERY:
            self._beat_at = time.monotonic()
            heartbeat.touch_stream(self._folder, self.bot)
            self.keep_state()

    def events(self, source: Iterable[T]) -> Iterator[T]:
        """Hand on the events of a source, and beat while they arrive."""
        for event in source:
            self.beat()
            yield event

    def _send(self, order: Order, reason: str, leg: str, told: Mapping[str, object]) -> PlacedOrder:
        """Send an order; a stream that is asked to end meanwhile ends once the order has its answer."""
        if threading.current_thread() is not threading.main_thread():  # only the main thread is ever interrupted
            return super()._send(order, reason, leg, told)
        self._in_order = True
        try:
            placed = super()._send(order, reason, leg, told)
        finally:
            self._in_order = False
        if self._stopping:
            raise StreamStopped
        return placed

    def keep_state(self) -> None:
        """Make what has changed in `state` durable."""
        with self._one_thread:
            if self.state.changed:
                self._ledger.keep_state(self.bot, self.state)
                self.state.kept()

    def stop(self) -> None:
        """End the stream: at once, or as soon as the order that is on its way has its answer."""
        self._stopping = True
        if not self._in_order:
            raise StreamStopped


class BrokerNow:
    """A broker that is asked about the present each time: a stream outlives the instant at which it began."""

    def __init__(self, open_at: Callable[[datetime], Broker], clock: Callable[[], datetime]) -> None:
        self._open_at = open_at
        self._clock = clock

    def account(self) -> Account:
        """Return the account as it is now."""
        return self._open_at(self._clock()).account()

    def positions(self) -> dict[str, Position]:
        """Return the open positions by symbol."""
        return self._open_at(self._clock()).positions()

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order of that id, or None if it never arrived."""
        return self._open_at(self._clock()).find(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Place an order now, at the price of now."""
        return self._open_at(self._clock()).submit(order)

    @property
    def finds_every_order(self) -> bool:
        """Tell whether an order that is not found never arrived."""
        return getattr(self._open_at(self._clock()), "finds_every_order", True)

    def sizes(self, symbol: str) -> SizeRules:
        """Return the rules for quantities of a symbol."""
        return sizes_of(self._open_at(self._clock()), symbol)

    def cancel(self, client_order_id: str) -> None:
        """Cancel the order of that id."""
        self._open_at(self._clock()).cancel(client_order_id)

    def replace(self, order: Order) -> PlacedOrder:
        """Give an order that waits other terms and another quantity."""
        broker = self._open_at(self._clock())
        if not hasattr(broker, "replace"):
            msg = "this broker cannot change an order: cancel it, and send another one"
            raise BrokerError(msg)
        placed: PlacedOrder = cast("CanReplace", broker).replace(order)
        return placed

    @property
    def abilities(self) -> Collection[str] | None:
        """Return what a broker of the user's own says that it can do."""
        found: Collection[str] | None = getattr(self._open_at(self._clock()), "abilities", None)
        return found
