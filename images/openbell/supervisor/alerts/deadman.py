"""The dead-man ping: tells a service outside that the watch works. If it stops, that service alerts you."""

import sqlite3
import threading
import urllib.request
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from urllib.error import HTTPError

import structlog

from openbell.instants import milliseconds
from openbell.supervisor.alerts.sender_process import hide
from openbell.supervisor.alerts.store import open_database

TIMEOUT = 10.0  # seconds for each step of a ping
_HALF = timedelta(milliseconds=500)  # what a Date header leaves out of its second, on average

log = structlog.get_logger()


@dataclass(frozen=True)
class PingResult:
    """The result of a ping: `error` is empty if it was accepted. skew_s: seconds that our clock is ahead of the server's."""

    error: str
    skew_s: float | None = None


def ping(url: str, clock: Callable[[], datetime], timeout: float = TIMEOUT) -> PingResult:
    """Request the address once."""
    before = clock()
    try:
        request = urllib.request.Request(url, headers={"User-Agent": "openbell"})  # noqa: S310 - settings.py lets http(s) through only
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310 - as above
            after, date, age = clock(), response.headers.get("Date"), response.headers.get("Age")
    except HTTPError as error:
        with error:
            return PingResult(f"it answered {error.code} {error.reason}")
    except (OSError, ValueError) as error:
        return PingResult(hide(str(getattr(error, "reason", "") or error), url)[:200] or type(error).__name__)
    except Exception as error:  # noqa: BLE001 - http.client has its own; no failure of a ping may end its thread
        return PingResult(f"{type(error).__name__}: {hide(str(error), url)}"[:200])
    return PingResult("", None if age else skew(before, after, date))


def skew(before: datetime, after: datetime, date: str | None) -> float | None:
    """Return how many seconds our clock is ahead of a server's Date header, or None if that cannot be known. Pure."""
    try:
        there = parsedate_to_datetime(date or "") + _HALF
    except (TypeError, ValueError):
        return None
    if there.tzinfo is None or not timedelta(0) <= after - before <= timedelta(seconds=5):
        return None  # a slow answer says nothing about the clock
    return round((before + (after - before) / 2 - there).total_seconds(), 1)


class Deadman:
    """Pings at an interval as long as the watch completes cycles, in a thread of its own."""

    def __init__(
        self,
        url: str,
        every: timedelta,
        path: Path,
        cycles: Callable[[], int],
        clock: Callable[[], datetime],
        on_skew: Callable[[float], None],
    ) -> None:
        self._url = url
        self._every = every.total_seconds()
        self._path = path
        self._cycles = cycles
        self._clock = clock
        self._on_skew = on_skew
        self._seen = 0
        self._failing = False
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="deadman", daemon=True)

    def start(self) -> None:
        """Begin to ping."""
        self._thread.start()

    def stop(self) -> None:
        """Stop pinging; does not wait for a ping under way."""
        self._stop.set()

    def step(self) -> bool:
        """Ping if the watch has completed a cycle since the last ping; return whether it has."""
        cycles = self._cycles()
        if cycles == self._seen:
            log.warning("deadman.withheld", reason="no cycle of the watch has ended since the last ping")
            return False
        self._seen = cycles
        answer = ping(self._url, self._clock)
        if answer.error:
            log.warning("deadman.failed", error=answer.error)
        elif self._failing:
            log.info("deadman.recovered")
        self._failing = bool(answer.error)
        if answer.skew_s is not None:
            self._on_skew(answer.skew_s)
        try:
            self._store(answer)
        except sqlite3.Error as error:
            log.error("deadman.not_stored", error=str(error))  # noqa: TRY400 - the reason is the disk, not the code
        return True

    def _store(self, answer: PingResult) -> None:
        now = milliseconds(self._clock())
        with closing(open_database(self._path)) as database:
            database.execute(
                "INSERT INTO deadman VALUES (1, ?, ?, ?, ?) ON CONFLICT (one) DO UPDATE SET "
                "last_pinged_at = coalesce(excluded.last_pinged_at, last_pinged_at), "
                "last_failed_at = coalesce(excluded.last_failed_at, last_failed_at), error = excluded.error, "
                "clock_skew_s = coalesce(excluded.clock_skew_s, clock_skew_s)",
                (None if answer.error else now, now if answer.error else None, answer.error, answer.skew_s),
            )

    def _run(self) -> None:
        # The first cycle after a start may take a moment: the first ping waits for it, not for the whole interval.
        while not self._stop.is_set():
            waits = self._every if self._cycles() else min(1.0, self._every)
            if self._cycles():
                self.step()
            self._stop.wait(waits)
