"""Attempts of one run that orders at a model venue, each with a connection of its own, killed or paused at any statement."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

from openbell.journal import Journal
from openbell.ledger import Claim, EpochLostError, Ledger, OrderRecord
from openbell.manifest import Bot, Limits, Manifest, Schedule
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run, order_identity
from openbell.trading.brokers import BrokerError
from openbell.trading.markets import Bars, MarketError
from openbell.trading.order_following import follow
from tests.fake_trading import FakeMarket
from tests.venue_model import Clock, ModelBroker, Venue, VenueRules

SYMBOL = "BTC/USDT"
BOT = Bot("demo", "b", (SYMBOL,), Schedule("UTC", every=timedelta(minutes=15)))
MANIFEST = Manifest("demo", "", "UTC", None, "own", "own", (), "warm", 8, (BOT,))
QUANTITY = 4.0


class Killed(BaseException):
    """The process is gone: nothing of it is carried out any more."""


@dataclass
class Steps:
    """Counts the statements of one attempt, and does something at one of them: die, or let others go first."""

    at: int = -1
    act: Callable[[], None] | None = None  # None: die
    count: int = 0
    is_dead: bool = False
    has_acted: bool = False

    def __call__(self, *, in_transaction: bool = False) -> None:
        """Take a step. Others can only go first where they do not wait for this attempt's transaction."""
        if self.is_dead:
            raise Killed
        number, self.count = self.count, self.count + 1
        if self.at < 0 or self.has_acted or number < self.at or (self.act is not None and in_transaction):
            return
        self.has_acted = True
        if self.act is None:
            self.is_dead = True
            raise Killed
        self.act()


class TracedDatabase:
    """A ledger's connection of which every statement is two steps: before it and after it."""

    def __init__(self, database: Any, steps: Steps) -> None:
        self._database = database
        self._steps = steps

    def execute(self, statement: str, values: Any = ()) -> Any:
        """Carry out a statement between two steps."""
        self._steps(in_transaction=self.in_transaction)
        answer = self._database.execute(statement, values)
        self._steps(in_transaction=self.in_transaction)
        return answer

    @property
    def in_transaction(self) -> bool:
        """Tell whether a transaction is open."""
        return bool(self._database.in_transaction)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._database, name)


class OneMarket(FakeMarket):
    """A market that has the venue's price."""

    def __init__(self, venue: Venue) -> None:
        self._venue = venue

    def bars(self, symbol: str, timeframe: str, count: int, at: datetime) -> Bars:
        """Have none."""
        raise MarketError(symbol)

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        return self._venue.price

    def provenance(self, at: datetime) -> dict[str, str]:
        """Return the source."""
        return {"source": "a model"}


@dataclass
class Attempts:
    """The attempts of one run of one slot. open_ledger: opens the ledger as a process of its own would."""

    open_ledger: Callable[[], Ledger]
    folder: Path
    rules: VenueRules
    side: str = "buy"
    has_limits: bool = False
    endings: list[str] = field(default_factory=list)
    clock: Clock = field(default_factory=Clock)

    def __post_init__(self) -> None:
        """Claim the slot, and hold what a sale is to sell."""
        self.venue = Venue(self.rules, self.clock)
        self.slot = self.clock()
        limits = Limits(max_order_value=1e9, max_orders_per_day=1) if self.has_limits else Limits()
        self.manifest = replace(MANIFEST, limits=limits)
        self.client_order_id = order_identity("b", self.slot, SYMBOL, self.side, "")
        ledger = self.open_ledger()
        ledger.claim([self._claim(1)])
        if self.side == "sell":
            self.venue.held[SYMBOL] = QUANTITY
            ledger.intend(OrderRecord("ob-before", "b", self.slot, SYMBOL, "buy", "before", QUANTITY), self.slot)
            ledger.settle("ob-before", "filled", "v-0", QUANTITY, 100.0)
        ledger.close()

    def run(self, steps: Steps | None = None) -> None:
        """Make the next attempt, from taking the run over to the end of the order."""
        self._wait_for_the_venue()
        number = len(self.endings)
        self.endings.append("alive")
        self.endings[number] = self._attempt(number + 1, steps or Steps())

    def _wait_for_the_venue(self) -> None:
        if self.venue.silent_until is not None:
            self.clock.wait(self.venue.silent_until)

    def _attempt(self, attempt: int, steps: Steps) -> str:
        ledger = self.open_ledger()
        try:
            if attempt > 1:
                ledger.next_attempt(self._claim(attempt))
            ledger.act_for(self._claim(attempt))
            database = cast("Any", ledger)._database
            ledger._database = cast("Any", TracedDatabase(database, steps))
            return self._order(ledger, steps, attempt)
        except Killed:
            return "killed"
        except EpochLostError:
            return "epoch lost"
        except BrokerError:
            return "no answer"
        finally:
            ledger.close()

    def _order(self, ledger: Ledger, steps: Steps, attempt: int) -> str:
        journal = Journal(self.folder, "demo", "boot", echo=False)
        run = Run(BOT, self.slot, "r1", attempt)
        broker = ModelBroker(self.venue, ledger, steps)
        try:
            context = Context(
                RunProgress(
                    ContextServices(self.manifest, OneMarket(self.venue), broker, ledger, journal, self.clock), run
                )
            )
            placed = context.order(SYMBOL, self.side, QUANTITY, reason="as the rule says")
            context.state["done"] = True
            ledger.save_state("b", self.slot, dict(context.state))
            return placed.status
        finally:
            journal.close()

    def follow(self) -> None:
        """Look up what is open, as the loop does between slots and long afterwards."""
        self._wait_for_the_venue()
        ledger = self.open_ledger()
        try:
            for _ in range(2):
                follow(ModelBroker(self.venue, ledger, Steps()), ledger, self.clock())
                self.clock.wait(self.clock() + timedelta(hours=2))
        finally:
            ledger.close()

    def sent(self) -> int:
        """Return how many orders of the run the venue has."""
        return sum(one.client_order_id == self.client_order_id for one in self.venue.orders)

    def problems(self) -> list[str]:
        """Return what is wrong at the end: two orders, or books that differ although nothing is uncertain."""
        found = [f"{self.sent()} orders were sent"] if self.sent() > 1 else []
        found += [f"an attempt was {ending}" for ending in self.endings if ending in {"refused", "rejected"}]
        ledger = self.open_ledger()
        try:
            record = ledger.order(self.client_order_id)
            status = record.status if record else "unknown"
            if status == "uncertain":
                return [*found, "uncertain where every order is found"] if self.rules.finds_every_order else found
            if self.sent() != 1:
                found.append(f"{self.sent()} orders were sent, and the ledger says {status}")
            ours, theirs = ledger.position("b", SYMBOL).quantity, self.venue.held.get(SYMBOL, 0.0)
            if abs(float(ours) - theirs) > 1e-9:
                found.append(f"the ledger says {ours}, the venue {theirs}, the order is {status}")
            return found
        finally:
            ledger.close()

    def _claim(self, attempt: int) -> Claim:
        return Claim("b", self.slot, "r1", attempt, "loop", self.slot)
