"""A loop that cannot write: no heartbeat, no claim, no trade."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager

from openbell.runner import output

HOLD_OFF = 1.0  # seconds before what could not be written is tried again
TELL_EVERY = 30.0  # seconds


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
