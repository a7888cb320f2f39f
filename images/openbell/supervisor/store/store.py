"""The store: the supervisor's records, one SQLite file on its own volume.

The records and the positions up to which the journals were read are committed together, so that a crash neither loses
nor repeats anything.
"""

# ruff: noqa: S608 - the lists of columns are constants of the module

import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from itertools import starmap, takewhile
from pathlib import Path
from sys import intern

from openbell.instants import from_milliseconds, milliseconds
from openbell.journal import Event
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.durations import Trend
from openbell.supervisor.model.records import (
    AccountRecord,
    Day,
    DecisionRecord,
    ErrorRecord,
    Expected,
    Fault,
    Finding,
    NoteRecord,
    RunRecord,
    ServiceEvent,
    SignalRecord,
    SlotRecord,
    Streak,
)
from openbell.supervisor.store import connection, counters, event_tables, retention
from openbell.supervisor.store.counters import Replaced, Totals
from openbell.supervisor.store.equity import EquityTable
from openbell.supervisor.store.event_tables import EventTable, Record
from openbell.supervisor.store.orders import OrderTable
from openbell.supervisor.store.retention import Timeouts
from openbell.supervisor.store.schema import SCHEMA, VERSION
from openbell.supervisor.store.slot_days import SlotDays
from openbell.supervisor.store.write_buffer import WriteBuffer

_SLOT = "slots.first, slots.last, slots.count, slots.outcome, slots.reason, slots.late, slots.judged, slots.run_id"
_RUN = "run_id, bot, slot, trigger, attempt, started_at, attempt_at, lateness_ms, ended_at, outcome, duration_ms, orders, error, judged"


class Store:
    """The records of all strategies. Every method raises sqlite3.Error if the file cannot be read or written.

    The watch writes with one; each request of the page reads with one of its own (`read_only`).
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        self.folder = path.parent
        self._path = path
        self._database = connection.open_database(path, SCHEMA, VERSION, read_only=read_only)
        self._replaced = Replaced()
        self._buffer = WriteBuffer(self._database)
        self.slot_days = SlotDays(self._database)
        self.equity = EquityTable(self._database)
        self.orders = OrderTable(self._database)
        if not read_only:
            self.slot_days.fill()
        self._identity = connection.identity(path)

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def check(self) -> None:
        """Read the whole file; DamagedError if it is damaged."""
        connection.check(self._database, self._path)

    def check_identity(self) -> None:
        """Raise DamagedError if the file was deleted or replaced since it was opened."""
        connection.check_identity(self._path, self._identity)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Commit all that is written inside the block, or nothing if it raises."""
        self._replaced.clear()
        for table in (self.slot_days, self.equity):
            table.clear()
        try:
            with connection.transaction(self._database):
                yield
                self._buffer.flush()
                self.slot_days.flush()
                self.equity.flush()
        finally:
            self._buffer.clear()

    @property
    def _flushed(self) -> sqlite3.Connection:
        """The connection, for reading what the buffer may still hold."""
        self._buffer.flush()
        return self._database

    # How far the journals are read

    def positions(self) -> dict[str, int]:
        """Return how far each file of the journals is read."""
        return dict(self._database.execute("SELECT file, position FROM positions"))

    def save_positions(self, positions: Mapping[str, int], before: Mapping[str, int]) -> None:
        """Store what differs between two states of the positions."""
        changed = [(file, position) for file, position in positions.items() if before.get(file) != position]
        self._database.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", changed)
        gone = [(file,) for file in before if file not in positions]
        self._database.executemany("DELETE FROM positions WHERE file = ?", gone)

    # Marks: instants under a name

    def set_mark(self, name: str, at: datetime) -> None:
        """Store an instant under a name."""
        self._database.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, milliseconds(at)))

    def get_mark(self, name: str) -> datetime | None:
        """Return the instant that is stored under a name, or None."""
        row = self._database.execute("SELECT at FROM marks WHERE name = ?", (name,)).fetchone()
        return row[0] if row else None

    def get_marks(self, prefix: str) -> dict[str, datetime]:
        """Return the instants whose names begin with `prefix`, by the rest of their names."""
        rows = self._database.execute("SELECT name, at FROM marks WHERE substr(name, 1, ?) = ?", (len(prefix), prefix))
        return {name[len(prefix) :]: at for name, at in rows}

    # What is expected

    def expected(self) -> list[Expected]:
        """Return from when on the slots of each bot are expected."""
        rows = self._database.execute("SELECT strategy, bot, schedule, since, settled_until, started FROM expected")
        return [Expected(*row) for row in rows]

    def expect(self, expected: Expected) -> None:
        """Store from when on a bot's slots are expected; what was stored is replaced."""
        instants = milliseconds(expected.since), milliseconds(expected.recorded_until)
        row = (expected.strategy, expected.bot, expected.schedule, *instants, expected.started)
        self._database.execute("INSERT OR REPLACE INTO expected VALUES (?, ?, ?, ?, ?, ?)", row)

    def stop_expecting(self, strategy: str, bot: str) -> None:
        """Remove what is expected of a bot; its records stay."""
        self._database.execute("DELETE FROM expected WHERE strategy = ? AND bot = ?", (strategy, bot))

    # Slots

    def put_slot(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Store the record of a slot or a range; one with the same last slot is replaced."""
        self._take_away(strategy, bot, slot)
        self._replaced.put(self._buffer.counted, strategy, bot, slot)
        self.slot_days.count(strategy, bot, slot, 1)
        self._buffer.put_slot(strategy, bot, slot)

    def drop_slot(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Remove a record."""
        self._take_away(strategy, bot, slot)
        self._buffer.drop_slot(strategy, bot, slot)

    def _take_away(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        known = self._buffer.slot(strategy, bot, slot.last)
        if known is None and not self._buffer.lacks_slot(strategy, bot, slot.last):
            row = self._database.execute(
                f"SELECT {_SLOT} FROM slots WHERE strategy = ? AND bot = ? AND last = ?",
                (strategy, bot, milliseconds(slot.last)),
            ).fetchone()
            known = SlotRecord(*row) if row else None
        if known is not None and known.outcome is not None:
            self._replaced.remove(strategy, bot, known)
            self.slot_days.count(strategy, bot, known, -1)

    def slots_in_range(self, strategy: str, bot: str, first: datetime, last: datetime) -> list[SlotRecord]:
        """Return the records that touch first <= slot <= last, oldest first, without their runs' figures."""
        if first == last:
            if (waiting := self._buffer.slot(strategy, bot, first)) is not None:
                return [waiting]
        else:
            self._buffer.flush()
        rows = self._database.execute(
            f"SELECT {_SLOT} FROM slots WHERE strategy = ? AND bot = ? AND last >= ? ORDER BY last",
            (strategy, bot, milliseconds(first)),
        )
        # Records do not overlap: the first one beyond the end ends the search, which SQL could not know.
        found = list(takewhile(lambda slot: slot.first <= last, starmap(SlotRecord, rows)))
        if not found and first == last:
            self._buffer.note_lack_of_slot(strategy, bot, first)
        return found

    def recent_slots(self, strategy: str, bot: str, until: datetime, limit: int) -> list[SlotRecord]:
        """Return the newest records up to `until` with their runs' figures, newest first."""
        rows = self._flushed.execute(
            f"SELECT {_SLOT}, runs.lateness_ms, runs.duration_ms, coalesce(runs.error, '') FROM slots LEFT JOIN runs USING (strategy, run_id) "
            "WHERE slots.strategy = ? AND slots.bot = ? AND slots.last <= ? ORDER BY slots.last DESC LIMIT ?",
            (strategy, bot, milliseconds(until), limit),
        )
        return [_compact(SlotRecord(*row)) for row in rows]

    def last_success(self, strategy: str, bot: str, until: datetime) -> datetime | None:
        """Return the newest slot up to `until` that succeeded, or None."""
        row = self._flushed.execute(
            "SELECT last FROM slots WHERE strategy = ? AND bot = ? AND last <= ? AND outcome = 'succeeded' ORDER BY last DESC LIMIT 1",
            (strategy, bot, milliseconds(until)),
        ).fetchone()
        return row[0] if row else None

    def bad_streaks(self, strategy: str, bot: str, after: datetime | None, until: datetime) -> list[Streak]:
        """Return the bad slots with after < slot <= until, by outcome; see `slot_history.bad_streaks`."""
        rows = self._flushed.execute(
            "SELECT coalesce(outcome, 'missed') AS fate, total(count), min(first), max(last) FROM slots WHERE strategy = ? AND bot = ? "
            "AND last > ? AND last <= ? AND (outcome IN ('missed', 'failed', 'timed_out', 'interrupted') OR (outcome IS NULL AND late)) "
            "GROUP BY fate ORDER BY max(last) DESC",
            (strategy, bot, -1 if after is None else milliseconds(after), milliseconds(until)),
        )
        return [
            Streak(fate, int(count), from_milliseconds(first), from_milliseconds(last))
            for fate, count, first, last in rows
        ]

    def count_missed(self, strategy: str, bot: str, since: datetime) -> int:
        """Return how many slots from `since` on were missed; a range that began before does not count."""
        (count,) = self._flushed.execute(
            "SELECT total(count) FROM slots WHERE strategy = ? AND bot = ? AND last >= ? AND first >= ? AND outcome = 'missed'",
            (strategy, bot, milliseconds(since), milliseconds(since)),
        ).fetchone()
        return int(count)

    # Runs

    def put_run(self, strategy: str, run: RunRecord) -> None:
        """Store a run; what was stored of it is replaced."""
        counters.count_run(self._buffer.counted, strategy, self.run(strategy, run.run_id), run)
        self._buffer.put_run(strategy, run)

    def run(self, strategy: str, run_id: str) -> RunRecord | None:
        """Return a run, or None if it is not known."""
        if (waiting := self._buffer.run(strategy, run_id)) is not None:
            return waiting
        if self._buffer.lacks_run(strategy, run_id):
            return None
        row = self._database.execute(
            f"SELECT {_RUN} FROM runs WHERE strategy = ? AND run_id = ?", (strategy, run_id)
        ).fetchone()
        if row is None:
            self._buffer.note_lack_of_run(strategy, run_id)
            return None
        return RunRecord(*row)

    def open_runs(self, strategy: str, bot: str | None = None) -> list[RunRecord]:
        """Return the runs of a strategy, or of one bot, that have not ended, oldest first."""
        of_bot, values = ("", (strategy,)) if bot is None else ("AND bot = ?", (strategy, bot))
        rows = self._flushed.execute(
            f"SELECT {_RUN} FROM runs INDEXED BY open_runs WHERE strategy = ? {of_bot} AND outcome IS NULL ORDER BY slot",
            values,
        )
        return [RunRecord(*row) for row in rows]

    def recent_runs(self, strategy: str, bot: str, limit: int) -> list[RunRecord]:
        """Return a bot's newest runs, newest first."""
        rows = self._flushed.execute(
            f"SELECT {_RUN} FROM runs WHERE strategy = ? AND bot = ? ORDER BY slot DESC LIMIT ?", (strategy, bot, limit)
        )
        return [RunRecord(*row) for row in rows]

    def failed_manual_runs(self, strategy: str, bot: str, since: datetime, limit: int) -> list[RunRecord]:
        """Return a bot's newest manual runs from `since` on that ended and did not succeed, newest first."""
        rows = self._flushed.execute(
            f"SELECT {_RUN} FROM runs WHERE strategy = ? AND bot = ? AND slot >= ? AND trigger = 'manual' "
            "AND outcome <> 'succeeded' ORDER BY slot DESC LIMIT ?",
            (strategy, bot, milliseconds(since), limit),
        )
        return [RunRecord(*row) for row in rows]

    # Event tables: records that are only ever added

    def add(self, strategy: str, record: object, line: Event) -> None:
        """Store a record of an event table, read from `line`, if it is new."""
        if isinstance(record, AccountRecord):
            self.equity.put(strategy, record)
        self._buffer.add_event(strategy, record, line)

    def add_if_new(self, strategy: str, record: object, line: Event) -> bool:
        """Store a record of an event table as `add` does; return whether it is new."""
        return event_tables.add(self._database, strategy, record, line)

    def decisions(self, strategy: str, bot: str, limit: int) -> list[DecisionRecord]:
        """Return a bot's newest decisions, newest first."""
        found = event_tables.newest(self._flushed, event_tables.DECISIONS, limit, strategy=strategy, bot=bot)
        return self.orders.followed(strategy, found)

    def signals(self, strategy: str, bot: str, limit: int) -> list[SignalRecord]:
        """Return a bot's newest signals, newest first."""
        return event_tables.newest(self._flushed, event_tables.SIGNALS, limit, strategy=strategy, bot=bot)

    def errors(self, strategy: str, limit: int) -> list[ErrorRecord]:
        """Return the newest errors of a strategy's runs and starts, newest first."""
        return event_tables.newest(self._flushed, event_tables.ERRORS, limit, strategy=strategy)

    def notes(self, strategy: str, limit: int) -> list[NoteRecord]:
        """Return what a strategy's runs printed or wrote with ctx.log, newest first."""
        return event_tables.newest(self._flushed, event_tables.NOTES, limit, strategy=strategy)

    def accounts(self, strategy: str, limit: int) -> list[AccountRecord]:
        """Return what a strategy's account held at the ends of its newest runs, newest first."""
        return event_tables.newest(self._flushed, event_tables.ACCOUNTS, limit, strategy=strategy)

    def services(self, strategy: str, limit: int) -> list[ServiceEvent]:
        """Return what happened to a strategy's loop, newest first."""
        return event_tables.newest(self._flushed, event_tables.SERVICES, limit, strategy=strategy)

    def findings(self, strategy: str, bot: str, kind: str, limit: int) -> list[Finding]:
        """Return what a bot found of one kind (stale_data, reconciled), newest first; a loop's own have no bot."""
        return event_tables.newest(self._flushed, event_tables.FINDINGS, limit, strategy=strategy, bot=bot, kind=kind)

    def comparisons(self, strategy: str, limit: int) -> list[Finding]:
        """Return the newest reconciliations of a strategy's account, by any of its bots, newest first."""
        return event_tables.newest(self._flushed, event_tables.FINDINGS, limit, strategy=strategy, kind="reconciled")

    def of_run(self, table: EventTable[Record], strategy: str, run_id: str) -> list[Record]:
        """Return what a table has of one run, oldest first."""
        return event_tables.newest(self._flushed, table, event_tables.KEEP_EACH, strategy=strategy, run_id=run_id)[::-1]

    # How long runs take

    def durations(self, strategy: str, bot: str, limit: int) -> list[tuple[datetime, float]]:
        """Return slot and duration in milliseconds of a bot's newest runs that succeeded, newest first."""
        rows = self._flushed.execute(
            "SELECT slot, duration_ms FROM runs WHERE strategy = ? AND bot = ? AND outcome = 'succeeded' AND duration_ms IS NOT NULL "
            "ORDER BY slot DESC LIMIT ?",
            (strategy, bot, limit),
        )
        return list(rows)

    def days(self, strategy: str, bot: str) -> list[Day]:
        """Return how long a bot's runs took day by day, oldest first."""
        return retention.days(self._flushed, strategy, bot)

    def trend(self, strategy: str, bot: str) -> Trend | None:
        """Return how a bot's durations creep, or None if they do not."""
        return retention.trend(self._flushed, strategy, bot)

    def sweep(self, now: datetime, timeouts: Timeouts) -> Iterator[tuple[str, str]]:
        """Remove records beyond what is kept, and summarise the days; see retention.py."""
        pieces = retention.sweep(self._database, now, timeouts)
        while True:
            self._buffer.flush()
            if (piece := next(pieces, None)) is None:
                return
            yield piece

    # Totals that outlive their records

    def totals(self) -> dict[str, Totals]:
        """Return the totals of slots and runs by strategy."""
        return counters.totals(self._flushed)

    # The log of faults

    def add_fault(self, condition: Condition, last: datetime) -> None:
        """Add a fault to the log, whether or not it still lasts."""
        row = (
            *(condition.kind, condition.strategy, condition.bot, milliseconds(condition.since)),
            *(condition.reason, condition.expected, condition.count, milliseconds(last)),
        )
        self._database.execute("INSERT INTO faults VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def faults(self, after: int, limit: int = 1000) -> list[Fault]:
        """Return what was logged behind the entry `after`, oldest first."""
        rows = self._database.execute(
            "SELECT id, kind, strategy, bot, since, reason, expected, count, last FROM faults WHERE id > ? ORDER BY id LIMIT ?",
            (after, limit),
        )
        return [Fault(number, Condition(*condition), last) for number, *condition, last in rows]

    def last_fault(self) -> int:
        """Return the number of the newest entry in the log of faults, 0 if there is none."""
        (number,) = self._database.execute("SELECT coalesce(max(id), 0) FROM faults").fetchone()
        return int(number)


def _compact(slot: SlotRecord) -> SlotRecord:
    """Return a record that shares equal values with others, since twenty records of each bot stay in memory."""
    outcome = None if slot.outcome is None else intern(slot.outcome)
    return replace(slot, outcome=outcome, last=slot.first if slot.first == slot.last else slot.last)
