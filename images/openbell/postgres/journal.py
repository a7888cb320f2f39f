"""The journal in PostgreSQL: the same lines in the table openbell.journal, and on standard output."""

import json
import zlib
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from openbell.journal import Event, Journal, echo
from openbell.postgres.address import passwords
from openbell.postgres.connection import PostgresError
from openbell.postgres.database import Database, OwnershipLostError
from openbell.postgres.ownership import guard_of
from openbell.postgres.tables import SHARED_SCHEMA

INSERT = "INSERT INTO journal (strategy, at, run_id, line) VALUES (?, ?, ?, ?)"
# The lock lets a strategy's lines become visible in the order of their numbers, so that a reader who follows them by number
# misses none.
_INSERT_OWNED = (
    "SELECT pg_advisory_xact_lock(?); INSERT INTO journal (strategy, at, run_id, line) SELECT strategy, ?, ?, ? FROM owners "
    "WHERE {held} FOR SHARE"
)


class PostgresJournal(Journal):
    """The writing end. `root` is a folder of this instance, for what is of no interest beyond it."""

    def __init__(self, database: Database, root: Path, strategy: str, boot_id: str) -> None:
        super().__init__(root, strategy, boot_id)
        self._strategy = strategy
        self._database = database

    def sync(self) -> None:
        """Do nothing: a line that is written survives."""

    def settle(self, first: date) -> None:
        """Do nothing: no line is ever torn."""

    def since(self, first: date) -> Iterator[Event]:
        """Yield the strategy's events from this day on, in order."""
        at = datetime.combine(first, time(), UTC).isoformat()
        statement = "SELECT line FROM journal WHERE strategy = ? AND at >= ? ORDER BY number"
        for (line,) in self._database.execute(statement, (self._strategy, at)):
            yield json.loads(str(line))

    def of_runs(self, run_ids: Iterable[str]) -> list[Event]:
        """Return all that was written of these runs, in order."""
        events: list[Event] = []
        for run_id in run_ids:
            rows = self._database.execute("SELECT line FROM journal WHERE run_id = ? ORDER BY number", (run_id,))
            events += [json.loads(str(line)) for (line,) in rows]
        return events

    def prune(self, today: date, keep_days: int) -> date:
        """Remove the strategy's lines that are older than `keep_days` days."""
        return self._forget(today - timedelta(days=keep_days))

    def _forget(self, oldest: date) -> date:
        before = datetime.combine(oldest, time(), UTC).isoformat()
        self._database.execute("DELETE FROM journal WHERE strategy = ? AND at < ?", (self._strategy, before))
        return oldest

    def _stays_here(self) -> bool:
        """Tell whether a line is of interest on this host only."""
        return False

    def _append(self, day: date, line: bytes) -> None:
        if self._stays_here():
            super()._append(day, line)
            return
        text = line.decode().rstrip("\n")
        event = json.loads(text)
        try:
            self._insert(event["timestamp"], event.get("run_id"), text)
        except PostgresError as error:
            raise OSError(str(error)) from error  # what a journal's writer reckons with
        echo(line)

    def _insert(self, at: str, run_id: str | None, line: str) -> None:
        self._database.execute(INSERT, (self._strategy, at, run_id, line))


class OwnedJournal(PostgresJournal):
    """The journal of a loop's processes: what they write while the loop owns its strategy is in the database.

    `journal_copy` brings it into the folder of each host, for the supervisor there. What a loop says while it does not own
    the strategy is about its host, and goes into that folder only.
    """

    def __init__(self, url: str, root: Path, strategy: str, boot_id: str) -> None:
        super().__init__(Database(url, SHARED_SCHEMA), root, strategy, boot_id)
        self._key = zlib.crc32(f"journal of {strategy}".encode())
        self._url = url

    def redact(self, secrets: Iterable[str]) -> None:
        """Keep these texts out of all lines from now on, and the database's address and password."""
        super().redact((self._url, *filter(None, passwords(self._url)), *secrets))

    def sync(self) -> None:
        """Make lines that are only in the folder survive a power cut."""
        Journal.sync(self)

    def prune(self, today: date, keep_days: int) -> date:
        """Remove old lines here and in the database."""
        return self._forget(Journal.prune(self, today, keep_days))

    def _stays_here(self) -> bool:
        return guard_of(self._strategy) is None

    def _insert(self, at: str, run_id: str | None, line: str) -> None:
        guard = guard_of(self._strategy)
        statement = _INSERT_OWNED.format(held=guard.held if guard else "false")
        if self._database.execute(statement, (self._key, at, run_id, line)).rowcount != 1:
            raise OwnershipLostError(self._strategy)
