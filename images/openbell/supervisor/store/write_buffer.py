"""The write buffer: what one transaction writes in great number, such as runs and decisions, goes to the file in a few statements.

Reading a day of journals would otherwise take some twenty statements a run. A reader of these tables calls `flush` first;
the store does that.
"""

import sqlite3
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime

from openbell.instants import milliseconds
from openbell.journal import Event
from openbell.supervisor.model.records import RunRecord, SlotRecord
from openbell.supervisor.store import event_tables
from openbell.supervisor.store.counters import Changes

MOST_ROWS = 500  # that wait in memory

_PUT_RUN = "INSERT OR REPLACE INTO runs VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_PUT_SLOT = "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@dataclass
class WriteBuffer:
    """Rows that are not in the file yet."""

    database: sqlite3.Connection
    counted: Changes = field(default_factory=Changes)
    _runs: dict[tuple[str, str], RunRecord] = field(default_factory=dict)  # by strategy and run_id
    _slots: dict[tuple[str, str, int], SlotRecord] = field(default_factory=dict)  # by strategy, bot and millisecond
    _no_slot: tuple[str, str, int] | None = None  # a slot of which neither the file nor the buffer has a record
    _no_run: tuple[str, str] | None = None  # a run of which neither has one
    _events: dict[type, list[tuple[object, ...]]] = field(default_factory=lambda: defaultdict(list))
    _rows: int = 0

    def clear(self) -> None:
        """Forget all rows: their transaction is undone."""
        self.counted = Changes()
        self._runs.clear()
        self._slots.clear()
        self._no_slot = self._no_run = None
        self._events.clear()
        self._rows = 0

    def run(self, strategy: str, run_id: str) -> RunRecord | None:
        """Return a run that waits, or None."""
        return self._runs.get((strategy, run_id))

    def lacks_run(self, strategy: str, run_id: str) -> bool:
        """Tell whether the run was looked up last, and not found."""
        return self._no_run == (strategy, run_id)

    def note_lack_of_run(self, strategy: str, run_id: str) -> None:
        """Remember that the file has no such run."""
        self._no_run = strategy, run_id

    def put_run(self, strategy: str, run: RunRecord) -> None:
        """Take in a run; what the file or the buffer has of it is replaced."""
        self._no_run = None
        self._runs[strategy, run.run_id] = run
        self._count_row()

    def slot(self, strategy: str, bot: str, slot: datetime) -> SlotRecord | None:
        """Return the record of a single slot that waits, or None."""
        return self._slots.get((strategy, bot, milliseconds(slot)))

    def lacks_slot(self, strategy: str, bot: str, slot: datetime) -> bool:
        """Tell whether the slot was looked up last, and no record touches it."""
        return self._no_slot == (strategy, bot, milliseconds(slot))

    def note_lack_of_slot(self, strategy: str, bot: str, slot: datetime) -> None:
        """Remember that no record in the file touches the slot."""
        self._no_slot = strategy, bot, milliseconds(slot)

    def put_slot(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Take in a record; what the file or the buffer has with the same last slot is replaced.

        Only single slots wait that the file has no record of: the others are rare, and so what waits never has to be
        compared with the file. The file keeps whole milliseconds: what is more exact would come back otherwise than it went.
        """
        key = strategy, bot, milliseconds(slot.last)
        is_single = slot.first == slot.last and not slot.last.microsecond % 1000
        if is_single and (key == self._no_slot or key in self._slots):
            self._slots[key] = slot
            self._count_row()
        else:
            self._slots.pop(key, None)
            self.database.execute(_PUT_SLOT, _slot_row(strategy, bot, slot))
        self._no_slot = None

    def drop_slot(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Remove the record with the same last slot."""
        key = strategy, bot, milliseconds(slot.last)
        if self._slots.pop(key, None) is None:
            self.database.execute("DELETE FROM slots WHERE strategy = ? AND bot = ? AND last = ?", key)
        self._no_slot = None

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
        if self._slots:
            waiting = [_slot_row(strategy, bot, slot) for (strategy, bot, _), slot in self._slots.items()]
            self.database.executemany(_PUT_SLOT, waiting)
            self._slots.clear()
        for kind, events in self._events.items():
            self.database.executemany(event_tables.INSERT[kind], events)
        self._events.clear()
        self.counted.write(self.database)
        self._rows = 0


def _slot_row(strategy: str, bot: str, slot: SlotRecord) -> tuple[object, ...]:
    return (
        *(strategy, bot, milliseconds(slot.last), milliseconds(slot.first), slot.count),
        *(slot.outcome, slot.reason, slot.late, slot.judged, slot.run_id),
    )


def _run_row(strategy: str, run: RunRecord) -> tuple[object, ...]:
    started, attempted, ended = (
        None if at is None else milliseconds(at) for at in (run.started_at, run.attempt_at, run.ended_at)
    )
    return (
        *(strategy, run.run_id, run.bot, milliseconds(run.slot), run.trigger, run.attempt, started, attempted),
        *(run.lateness_ms, ended, run.outcome, run.duration_ms, run.orders, run.error, run.judged),
    )
