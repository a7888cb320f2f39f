"""The journal in PostgreSQL: the same lines in the table openbell.journal, and on standard output."""

import json
from collections.abc import Iterable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

from openbell.journal import Event, Journal, echo
from openbell.postgres.connection import PostgresError
from openbell.postgres.database import Database


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

    def prune(self, now: datetime, keep: timedelta) -> None:
        """Remove the strategy's lines that are older."""
        statement = "DELETE FROM journal WHERE strategy = ? AND at < ?"
        self._database.execute(statement, (self._strategy, (now - keep).isoformat()))

    def _append(self, _day: date, line: bytes) -> None:
        text = line.decode().rstrip("\n")
        event = json.loads(text)
        statement = "INSERT INTO journal (strategy, at, run_id, line) VALUES (?, ?, ?, ?)"
        try:
            self._database.execute(statement, (self._strategy, event["timestamp"], event.get("run_id"), text))
        except PostgresError as error:
            raise OSError(str(error)) from error  # what a journal's writer reckons with
        echo(line)
