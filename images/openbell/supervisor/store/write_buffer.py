"""The write buffer: what one transaction writes in great number, such as runs and decisions, goes to the file in a few statements.

Reading a day of journals would otherwise take some twenty statements a run. A reader of these tables calls `flush` first;
the store does that.
"""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field

from openbell.instants import milliseconds
from openbell.journal import Event
from openbell.supervisor.model.records import RunRecord
from openbell.supervisor.store import event_tables
from openbell.supervisor.store.counters import Changes

MOST_ROWS = 500  # that wait in memory

_PUT_RUN = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass
class WriteBuffer:
    """Rows that are not in the file yet."""

    database: sqlite3.Connection
    counted: Changes = field(default_factory=Changes)
    _runs: dict[tuple[str, str], RunRecord] = field(default_factory=dict)  # by strategy and run_id
    _events: dict[type, list[tuple[object, ...]]] = field(default_factory=lambda: defaultdict(list))
    _rows: int = 0

    def clear(self) -> None:
        """Forget all rows: their transaction is undone."""
        self.counted = Changes()
        self._runs.clear()
        self._events.clear()
        self._rows = 0

    def run(self, strategy: str, run_id: str) -> RunRecord | None:
        """Return a run that waits, or None."""
        return self._runs.get((strategy, run_id))

    def put_run(self, strategy: str, run: RunRecord) -> None:
        """Take in a run; what the file or the buffer has of it is replaced."""
        self._runs[strategy, run.run_id] = run
        self._count_row()

    def add_event(self, strategy: str, record: object, line: Event) -> None:
        """Take in a record of an event table, which is passed over if the file has it."""
        self._events[type(record)].append(event_tables.row(strategy, record, line))
        self._count_row()

    def _count_row(self) -> None:
        self._rows += 1
        if self._rows >= MOST_ROWS or not self.database.in_transaction:
            self.flush()

    def flush(self) -> None:
        """Write all rows."""
        if self._runs:
            rows = [_run_row(strategy, run) for (strategy, _), run in self._runs.items()]
            self.database.executemany(_PUT_RUN, rows)
            self._runs.clear()
        for kind, events in self._events.items():
            self.database.executemany(event_tables.INSERT[kind], events)
        self._events.clear()
        self.counted.write(self.database)
        self._rows = 0


def _run_row(strategy: str, run: RunRecord) -> tuple[object, ...]:
    started, attempted, ended = (
        None if at is None else milliseconds(at) for at in (run.started_at, run.attempt_at, run.ended_at)
    )
    return (
        *(strategy, run.run_id, run.bot, milliseconds(run.slot), run.trigger, run.attempt, started, attempted),
        *(run.lateness_ms, ended, run.outcome, run.duration_ms, run.orders, run.error, run.judged),
    )
