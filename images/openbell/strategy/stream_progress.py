"""A stream while it goes on: its signs of life, its state, and its end when the loop asks for it."""

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime

from openbell import heartbeat
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run, StrategyError
from openbell.trading.brokers import Order

BEAT_EVERY = 1.0  # seconds; a stream of a thousand events a second leaves no more beats than that


class StreamStopped(BaseException):  # not an error: the stream is to end now
    """Raised in a stream when its container stops or its bot is paused; let it pass."""


class StreamProgress(RunProgress):
    """The progress of one stream."""

    def __init__(self, services: ContextServices, run: Run) -> None:
        super().__init__(services, run)
        self._loop = os.getppid()
        self._beat_at = float("-inf")
        self._in_order = False
        self._stopping = False

    @property
    def slot(self) -> datetime:
        """The present, aware UTC: a stream decides about now."""
        return self.services.clock()

    def occasion(self, event: str) -> str:
        """Return the event that an order answers to; StrategyError if it names none."""
        if not event:
            msg = "an order of a stream names the event that it answers to: event=tick.id, the source's own id"
            raise StrategyError(msg)
        return f"event {event}"

    def beat(self) -> None:
        """Leave a sign of life, and make what has changed in the state durable; StreamStopped if the stream is to end."""
        if self._stopping:
            raise StreamStopped  # asked for while another thread beat or ordered
        if os.getppid() != self._loop:
            raise StreamStopped  # the loop is gone, and the one that follows starts a stream of its own
        if time.monotonic() - self._beat_at >= BEAT_EVERY:
            self._beat_at = time.monotonic()
            heartbeat.touch_stream(self.services.journal.folder, self.bot.id)
            self.keep_state()

    @contextmanager
    def sending(self, order: Order) -> Iterator[None]:  # noqa: ARG002 - an event may be answered twice: it is the same order
        """Send an order inside of this; a stream that is asked to end meanwhile ends once the order has its answer."""
        if threading.current_thread() is not threading.main_thread():  # only the main thread is ever interrupted
            with self.one_thread:
                yield
            return
        self._in_order = True
        try:
            with self.one_thread:
                yield
        finally:
            self._in_order = False
        if self._stopping:
            raise StreamStopped

    def keep_state(self) -> None:
        """Make what has changed in the state durable."""
        with self.one_thread:
            if self.state.changed:
                self.services.ledger.keep_state(self.bot.id, self.state)
                self.state.kept()

    def stop(self) -> None:
        """End the stream: at once, or as soon as the order that is on its way has its answer."""
        self._stopping = True
        if not self._in_order:
            raise StreamStopped
