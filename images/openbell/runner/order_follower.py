"""Follows open orders between slots: one process of the strategy while there are any, and none when there are none.

The loop only asks its ledger whether orders are open; whatever talks to a broker runs in a process of its own, which a hung
broker may hang.
"""

import os
import time
from collections.abc import Callable
from contextlib import suppress

from openbell import clock
from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.manifest import Manifest
from openbell.paths import Paths
from openbell.runner.processes import RunProcess
from openbell.runner.report import Failure
from openbell.runner.run_setup import desk_of, open_for, open_ledger, publish_holdings
from openbell.trading.brokers import BrokerError
from openbell.trading.order_following import follow, write_events

ASK_EVERY = 5.0  # seconds between two questions to the ledger
FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0  # seconds between two questions to the broker; news shorten the pause again
STRETCH = 1.5


class OrderFollower:
    """Starts the process when it is needed, and again if it ends too early. start: forks it."""

    def __init__(self, ledger: Ledger, start: Callable[[], RunProcess]) -> None:
        self._ledger = ledger
        self._start = start
        self._process: RunProcess | None = None
        self._ask_at = float("-inf")

    def tend(self, steady: float) -> None:
        """See to it that open orders are followed. sqlite3.Error if the ledger cannot be read, OSError if nothing can start."""
        if steady < self._ask_at:
            return
        self._ask_at = steady + ASK_EVERY
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        if self._process is None and has_open(self._ledger):
            self._process = self._start()

    def end(self) -> None:
        """End the process, if there is one; what it did not see is queried before the next run."""
        if self._process is not None:
            self._process.kill()
            self._process = None


def has_open(ledger: Ledger) -> bool:
    """Tell whether an order may still fill, or waits for its answer; one that cannot be found is left to a person."""
    return any(one.status != "uncertain" for one in ledger.open_orders())


def follow_to_the_end(manifest: Manifest, places: Paths, journal: Journal) -> Failure | None:
    """Ask the broker until nothing is open, with pauses that stretch; the process ends with its loop."""
    loop, pause = os.getppid(), FIRST_PAUSE
    ledger = open_ledger(places)
    bot = manifest.bots[0]
    _, open_at = open_for(manifest, bot, desk_of(manifest, bot, places, ledger))
    while has_open(ledger) and os.getppid() == loop:
        now = clock.now()
        news = []
        with suppress(BrokerError):  # it cannot be asked now; the next question is asked later
            news = follow(open_at(now), ledger, now)
        write_events(news, journal, now)
        if news:
            publish_holdings(manifest, places, ledger)
        pause = FIRST_PAUSE if news else min(pause * STRETCH, LONGEST_PAUSE)
        time.sleep(pause / clock.SPEED)
    return None
