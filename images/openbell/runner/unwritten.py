"""What a loop has to say for itself, kept until journal and ledger have taken it."""

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime

from openbell.control import Halt, Request
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.runner import output
from openbell.runner.clock import Clock
from openbell.runner.decide import Skip

HOLD_OFF = 1.0  # seconds before what could not be written is tried again
TELL_EVERY = 30.0  # seconds


class Unwritten:
    """Lines that are yet to be written. What cannot be written raises OSError or sqlite3.Error and is tried again."""

    def __init__(self, clock: Clock, journal: Journal, ledger: Ledger) -> None:
        self._clock = clock
        self._journal = journal
        self._ledger = ledger
        self._halt: Halt | None = None  # as the journal has it
        self._clock_steps: list[float] = []  # seconds
        self._refusals: list[tuple[Request, str]] = []  # with the reason
        self._skips: list[Skip] = []
        self._unaccounted: list[tuple[str, datetime]] = []  # in the journal, not yet in the ledger

    def clock_stepped(self, step: float) -> None:
        """Add a step of the clock, in seconds."""
        self._clock_steps.append(step)

    def refuse(self, request: Request, reason: str) -> None:
        """Add a request that is not obeyed."""
        self._refusals.append((request, reason))

    def skip(self, skips: Iterable[Skip]) -> None:
        """Add slots that do not run."""
        self._skips.extend(skips)

    def write_clock_steps(self, now: datetime) -> None:
        """Write the steps of the clock."""
        while self._clock_steps:
            self._journal.write("clock_stepped", now, level="warning", by_s=round(self._clock_steps[0], 3))
            del self._clock_steps[0]

    def write_halt(self, halt: Halt | None, now: datetime) -> None:
        """Say when all orders are halted, and when they are not any more. Each run checks for itself before each order."""
        if halt == self._halt:
            return
        if halt is None:
            self._journal.write("trading_resumed", now)
        else:
            fields = {"by": halt.by, "reason": halt.reason, "since": halt.since, "exits": halt.exits}
            self._journal.write("trading_halted", now, fields, level="warning")
        self._halt = halt

    def write_refusals(self, now: datetime) -> None:
        """Write the requests that are not obeyed."""
        while self._refusals:
            request, reason = self._refusals[0]
            fields = {"bot": request.bot, "request": request.id, "reason": reason}
            self._journal.write("request_refused", now, fields, level="warning")
            del self._refusals[0]

    def write_skips(self) -> None:
        """Write the slots that do not run, then account for them in the ledger."""
        while self._skips:
            skip = self._skips[0]
            self._journal.write("slot_skipped", self._clock.now(), skip.fields(), level="warning")
            self._unaccounted.append((skip.bot, skip.last))
            del self._skips[0]
        if self._unaccounted:
            self._journal.sync()
            self._ledger.account(self._unaccounted)
            self._unaccounted.clear()


class WriteTrouble:
    """Says that journal or ledger cannot be written where it can still be read, and holds the loop off for a moment."""

    def __init__(self, strategy: str) -> None:
        self._strategy = strategy
        self._told_at = float("-inf")
        self.until = float("-inf")  # elapsed seconds before which nothing is tried again

    @contextmanager
    def caught(self, steady: float) -> Iterator[None]:
        """Keep an error of journal or ledger from ending the loop."""
        try:
            yield
        except (OSError, sqlite3.Error) as error:
            self.until = steady + HOLD_OFF
            if steady - self._told_at >= TELL_EVERY:
                self._told_at = steady
                output.say(
                    f"{self._strategy}: cannot write ({error}); no run starts until journal and state can be written again"
                )
