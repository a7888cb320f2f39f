"""A year of trading on the real order path and ledger, at a model venue, with kills at any statement.

Two bots trade hourly by a price that wanders; the loop's own code decides on their slots and recovers after its death. Attempts
are killed, with the loop or without it, answers lost and requests turned away; the venue is down for minutes and bans for days;
orders wait for the open, fill late and in parts, and fees are kept in the coin. Nothing may be sent twice, no exit be refused, and the books agree with the venue's.

`python -m tests.unit.trading.simulation --year --seed 1`.
"""

import argparse
import math
import random
import sys
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast
from unittest.mock import patch

from openbell.journal import Journal
from openbell.ledger import Claim, Ledger
from openbell.manifest import Bot, Limits, Schedule
from openbell.runner.decide import decide
from openbell.runner.recovery import recover
from openbell.strategy.context import Context
from openbell.strategy.context_services import ContextServices
from openbell.strategy.run_progress import RunProgress
from openbell.strategy.run_state import Run
from openbell.trading import reconciliation
from openbell.trading.brokers import FINAL, BrokerError, NotSentError
from openbell.trading.order_following import follow
from openbell.trading.reconciliation import adopt
from tests.order_attempts import MANIFEST, Killed, OneMarket, Steps, TracedDatabase
from tests.venue_model import ALL_RULES, TROUBLES, UNIQUE_IDS, Clock, ModelBroker, Venue, VenueRules

HOUR = timedelta(hours=1)
TOLD_EVERY = timedelta(days=15)  # how far the simulation has come
LONGEST = 120  # statements of an attempt, about
BAD_LUCK = [*("" for _ in range(100)), *(one for one in TROUBLES for _ in range(2 if one == "banned" else 10))]
HOURLY = replace(MANIFEST.bots[0], schedule=Schedule("UTC", every=HOUR), retries=2)
BOTS = tuple(replace(HOURLY, id=name, symbols=(f"{coin}/USDT",)) for name, coin in (("a", "BTC"), ("b", "ETH")))
# The rule buys for 1,000: at three times the price its exit is beyond the limit.
LIMITS = Limits(max_order_value=1_100, max_orders_per_day=4)


@dataclass
class Outcome:
    """What a simulation has seen."""

    rules: str
    orders: int = 0
    kills: int = 0
    restarts: int = 0  # of the loop, after it was killed too
    doubled: int = 0
    differing: int = 0  # positions
    exits_refused: int = 0
    adopted: int = 0
    silences: int = 0  # of the venue, when it was to be asked about orders
    turned_away: int = 0  # orders, of which it has read none
    problems: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        told = "; ".join(self.problems[:5]) or "no problem"
        return (
            f"{self.rules}: {self.orders} orders, {self.kills} kills, {self.restarts} restarts of the loop, "
            f"{self.turned_away} turned away, {self.silences} silences, {self.adopted} uncertain orders adopted; {self.doubled} doubled orders, {self.differing} positions that differ, "
            f"{self.exits_refused} exits refused; {told}"
        )


class TradingSimulation:
    """One strategy at one venue."""

    def __init__(self, seed: int, rules: VenueRules, folder: Path) -> None:
        self._chance = random.Random(seed)
        self._folder = folder
        self._clock = Clock()
        self._venue = Venue(rules, self._clock, fee=0.001, opens=8)
        self._manifest = replace(MANIFEST, bots=BOTS, limits=LIMITS)
        self._cash = self._venue.cash
        self.outcome = Outcome(rules.name)

    def run(self, length: timedelta, tell: Callable[[str], None]) -> Outcome:
        """Trade for so long, and tell now and then how far that is; then let all fill and compare."""
        start = told = self._clock()
        end = start + length
        while self._clock() < end:
            if self._clock() - told >= TOLD_EVERY:
                told = self._clock()
                tell(
                    f"  day {(told - start).days} of {length.days}: {len(self._venue.orders)} orders, {self.outcome.kills} kills"
                )
            self._venue.price = min(1_000.0, max(10.0, self._venue.price * math.exp(self._chance.gauss(0.0, 0.03))))
            slot = self._clock()
            for bot in BOTS:
                self._due(bot, self._clock())
            self._clock.wait(slot + HOUR / 2)
            self._between()
            self._clock.wait(slot + HOUR)
        while not self._venue.is_open or self._clock() < (self._venue.silent_until or end):
            self._clock.wait(self._clock() + HOUR)
        self._venue.fill_all()
        self._between(kills=False)
        self._compare()
        return self.outcome

    def _due(self, bot: Bot, now: datetime) -> None:
        """Decide on the bot's slots and run the one that is due, as the loop does; the loop may die with its run."""
        wants = self._chance.choice(["buy", "sell", "hold", "hold"])
        with closing(self._ledger()) as ledger:
            decision = decide(bot, ledger.accounted_until(bot.id) or now - HOUR, now, busy=False, pause=None)
            ledger.account((skip.bot, skip.last) for skip in decision.skips)
            if decision.run is None:
                return
            slot = decision.run
            (claim,) = ledger.claim([Claim(bot.id, slot, f"{bot.id} {slot:%F %H}", 1, "loop", now)])
        for _ in range(bot.retries + 1):
            if self._attempt(bot, claim, wants):
                outcome = "succeeded"
                break
            if self._chance.random() < 0.5:
                again = [one for one in self._restarted() if one.run_id == claim.run_id]
                if not again:
                    return
                claim = again[0]
            else:
                claim = replace(claim, attempt=claim.attempt + 1)
        else:
            outcome = "failed"
        with closing(self._ledger()) as ledger:
            ledger.finish([(claim, outcome)])

    def _restarted(self) -> list[Claim]:
        """Start another loop after one that was killed: what it left open ends, or goes on."""
        self.outcome.restarts += 1
        journal = Journal(self._folder, "demo", "boot", echo=False)
        with closing(self._ledger()) as ledger:
            again = recover(self._manifest, ledger, journal, self._clock())
        journal.close()
        return again

    def _attempt(self, bot: Bot, claim: Claim, wants: str) -> bool:
        self._venue.at_once = self._chance.choice([0.0, 0.3, 1.0, 1.0])
        self._venue.trouble = [self._chance.choice(BAD_LUCK)]
        steps = Steps(self._chance.randrange(LONGEST) if self._chance.random() < 0.5 else -1)
        with closing(self._ledger()) as ledger:
            try:
                if claim.attempt > 1:
                    ledger.next_attempt(claim)
                ledger.act_for(claim)
                ledger._database = cast("Any", TracedDatabase(cast("Any", ledger)._database, steps))
                self._decide(bot, claim, wants, ledger, steps)
            except Killed:
                self.outcome.kills += 1
                return False
            except NotSentError:
                self.outcome.turned_away += 1
                return False
            except BrokerError:
                return False
            return True

    def _decide(self, bot: Bot, claim: Claim, wants: str, ledger: Ledger, steps: Steps) -> None:
        journal = Journal(self._folder, "demo", "boot", echo=False)
        run = Run(bot, claim.slot, claim.run_id, claim.attempt)
        broker = ModelBroker(self._venue, ledger, steps)
        try:
            ctx = Context(
                RunProgress(
                    ContextServices(self._manifest, OneMarket(self._venue), broker, ledger, journal, self._clock), run
                )
            )
            (symbol,) = bot.symbols
            held = ctx.position(symbol)
            if any(one.slot != claim.slot for one in ctx.open_orders(symbol)):
                return
            # A retry decides as the attempt before it did, whatever that one has sent by then.
            if wants == "buy" and (held == 0.0 or claim.attempt > 1):
                ctx.order(symbol, "buy", 1_000 / self._venue.price, reason="up")
            elif wants == "sell" and (held > 0.0 or claim.attempt > 1):
                placed = ctx.order(symbol, "sell", abs(held) or 1.0, reason="down")
                if held > 0.0 and placed.status == "refused":
                    self.outcome.exits_refused += 1
                    self.outcome.problems.append(f"{claim.run_id}: an exit was refused: {placed.reason}")
            ledger.save_state(bot.id, claim.slot, {})
        finally:
            journal.close()

    def _between(self, *, kills: bool = True) -> None:
        """Let orders fill, follow them, and give up what cannot be found, as a person would."""
        for one in self._venue.orders[-20:]:
            if one.status not in FINAL and self._chance.random() < 0.7:
                self._venue.fill(one, one.quantity * self._chance.choice([0.2, 0.5, 1.0]))
        steps = Steps(self._chance.randrange(LONGEST) if kills and self._chance.random() < 0.3 else -1)
        with closing(self._ledger()) as ledger:
            real = cast("Any", ledger)._database
            ledger._database = cast("Any", TracedDatabase(real, steps))
            try:
                # Two hours later: what has not arrived by then is lost or uncertain. A silent venue says nothing of it.
                for later in (0, 2):
                    follow(ModelBroker(self._venue, ledger, steps), ledger, self._clock() + later * HOUR)
                uncertain = [one for one in ledger.open_orders() if one.status == "uncertain"]
                if uncertain:
                    symbols = [symbol for bot in BOTS for symbol in bot.symbols]
                    self.outcome.adopted += len(uncertain)
                    adopt(ModelBroker(self._venue, ledger, steps), ledger, symbols, self._clock())
            except BrokerError:
                self.outcome.silences += 1
            except Killed:
                self.outcome.kills += 1

    def _compare(self) -> None:
        ids = [one.client_order_id for one in self._venue.orders]
        self.outcome.orders = len(ids)
        doubled = [one for one in sorted(set(ids)) if ids.count(one) > 1]
        self.outcome.doubled = len(doubled)
        self.outcome.problems += [f"{one} was sent twice" for one in doubled]
        with closing(self._ledger()) as ledger:
            ours = ledger.holdings()
            for symbol in sorted({*ours, *self._venue.held}):
                there = self._venue.held.get(symbol, 0.0)
                if abs(ours.get(symbol, 0.0) - there) > 1e-6:
                    self.outcome.differing += 1
                    self.outcome.problems.append(
                        f"{symbol}: the ledger says {ours.get(symbol, 0.0)}, the venue {there}"
                    )
            flow = float(ledger.flows().get("USDT", 0))
            if not self.outcome.adopted and abs(flow - (self._venue.cash - self._cash)) > 0.01:
                self.outcome.problems.append(
                    f"the ledger says {flow:.2f} USDT came in, the venue {self._venue.cash - self._cash:.2f}"
                )

    def _ledger(self) -> Ledger:
        return Ledger(self._folder / "ledger.sqlite")


def simulate(seed: int, rules: VenueRules, length: timedelta, tell: Callable[[str], None] = lambda _: None) -> Outcome:
    """Simulate one strategy; its files are in memory where the machine has such a place."""
    in_memory = Path("/dev/shm")  # noqa: S108 - a killed process loses nothing of what is not synced
    place = tempfile.TemporaryDirectory(dir=in_memory if in_memory.is_dir() else None)
    with place as folder, patch.object(reconciliation, "CONFIRM_AFTER", 0.0):
        return TradingSimulation(seed, rules, Path(folder)).run(length, tell)


def main() -> int:
    """Run what the command line asks for; return 1 if there is a problem."""
    parser = argparse.ArgumentParser(description="simulate trading through kills and lost answers")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--days", type=float, default=10)
    parser.add_argument(
        "--year", action="store_true", help="the same as --days 365, at one venue; the others for a tenth of it"
    )
    options = parser.parse_args()
    found = 0
    for rules in ALL_RULES:
        days = options.days if not options.year else 365 if rules is UNIQUE_IDS else 36
        outcome = simulate(options.seed, rules, timedelta(days=days), lambda told: print(told, flush=True))
        print(outcome, flush=True)
        found += len(outcome.problems)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
