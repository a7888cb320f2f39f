"""What the simulator puts around the real loop: time, writes that fail or are the last, a broker that counts."""

import os
import random
import sqlite3
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.trading.brokers import Account, BrokerError, Order, PlacedOrder
from tests.fake_trading import FakeBroker

TICK = timedelta(microseconds=1)


class Killed(BaseException):
    """The loop's process ends here, as by kill -9: nothing of it goes on."""


class Time:
    """The wall clock and the steady one. Reading the wall clock takes a microsecond."""

    def __init__(self, start: datetime) -> None:
        self.wall = start
        self.newest = start  # what the wall clock has shown at most
        self._steady = timedelta(seconds=1000)
        self.rewound: list[tuple[datetime, datetime]] = []  # (to, from) of each time that the clock was set back

    def now(self) -> datetime:
        """Return the wall clock's instant."""
        self.advance(0.000001)
        return self.wall

    def elapsed(self) -> float:
        """Return the steady clock's seconds."""
        return self._steady.total_seconds()

    def wait(self, seconds: float) -> None:
        """Let time pass."""
        self.advance(seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        passed = timedelta(microseconds=max(1, round(seconds * 1_000_000))) if seconds > 0 else timedelta(0)
        self.wall += passed
        self._steady += passed
        self.newest = max(self.newest, self.wall)

    def step(self, seconds: float) -> None:
        """Set the wall clock; the steady one does not notice."""
        before, self.wall = self.wall, self.wall + timedelta(seconds=seconds)
        self.newest = max(self.newest, self.wall)
        if self.wall < before:
            self.rewound.append((self.wall, before))


class Fate:
    """Decides, before and after each write, whether it is the writer's last, and whether it fails."""

    def __init__(self, rng: random.Random, time: Time) -> None:
        self._rng = rng
        self._time = time
        self.kill_in: int | None = None  # writes until the loop is killed
        self.trouble_until = float("-inf")  # elapsed seconds; until then writes fail now and then

    @property
    def in_trouble(self) -> bool:
        """Tell whether writes may fail now."""
        return self._time.elapsed() < self.trouble_until

    def tick(self) -> None:
        """Be one point at which the loop may be killed."""
        if self.kill_in is not None:
            self.kill_in -= 1
            if self.kill_in <= 0:
                self.kill_in = None
                raise Killed

    def journal(self, journal: Journal) -> None:
        """Let the journal's writes fail: not at all written, or cut short."""
        write, sync = journal.write, journal.sync

        def fated_write(event: str, at: datetime, /, *args: object, **fields: object) -> None:
            self.tick()
            if self.in_trouble and self._rng.random() < 0.7:
                if journal._file >= 0 and self._rng.random() < 0.2:
                    os.write(journal._file, b'{"timestamp": "2026-')
                raise OSError(28, "No space left on device")
            write(event, at, *args, **fields)  # type: ignore[arg-type]
            self.tick()

        def fated_sync() -> None:
            self.tick()
            if self.in_trouble and self._rng.random() < 0.3:
                raise OSError(5, "Input/output error")
            sync()
            self.tick()

        journal.write = fated_write  # type: ignore[method-assign]
        journal.sync = fated_sync  # type: ignore[method-assign]

    def ledger(self, ledger: Ledger) -> None:
        """Let the ledger's methods fail, before what they do or, rarely, after it."""
        for name in (
            "claim",
            "next_attempt",
            "finish",
            "account",
            "remember",
            "fact",
            "orders",
            "is_completed",
            "open_claims",
            "accounted_until",
            "failures_in_a_row",
        ):
            setattr(ledger, name, self.fated(getattr(ledger, name), sqlite3.OperationalError("disk I/O error")))

    def fated(self, method: Callable[..., object], error: Exception) -> Callable[..., object]:
        """Return a method that may be the last or fail."""

        def act(*args: object, **fields: object) -> object:
            self.tick()
            if self.in_trouble and self._rng.random() < 0.5:
                raise error
            result = method(*args, **fields)
            self.tick()
            if self.in_trouble and isinstance(error, sqlite3.Error) and self._rng.random() < 0.05:
                raise error
            return result

        return act


class CountingBroker(FakeBroker):
    """A broker that outlives everything, counts what it is sent, and sometimes does not answer."""

    def __init__(self, rng: random.Random, time: Time) -> None:
        self._rng = rng
        self._time = time
        self.orders: dict[str, PlacedOrder] = {}
        self.submissions: Counter[str] = Counter()  # those that arrived
        self.flaky = True

    def account(self) -> Account:
        """Return some cash."""
        return Account(100_000.0, "USD")

    def find(self, client_order_id: str) -> PlacedOrder | None:
        """Return the order if it has arrived."""
        self._maybe_fail(0.01)
        return self.orders.get(client_order_id)

    def submit(self, order: Order) -> PlacedOrder:
        """Take the order; the answer may get lost on either way."""
        self._maybe_fail(0.02)
        self.submissions[order.client_order_id] += 1
        number = len(self.orders) + 1
        status = "rejected" if number % 17 == 0 else "filled"
        placed = PlacedOrder(
            f"o-{number}",
            order.client_order_id,
            order.symbol,
            order.side,
            order.quantity,
            status,
            order.quantity,
            1.0,
            self._time.wall,
            "",
        )
        placed = self.orders.setdefault(order.client_order_id, placed)
        self._maybe_fail(0.02)
        return placed

    def _maybe_fail(self, share: float) -> None:
        if self.flaky and self._rng.random() < share:
            msg = "the connection was lost"
            raise BrokerError(msg)
