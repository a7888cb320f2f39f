"""The table `slots`. What is put waits in memory until `flush`, and is found as if it were in the file already."""

# ruff: noqa: S608 - the list of columns is a constant of the module

import sqlite3
from datetime import datetime
from itertools import starmap, takewhile
from sys import intern

from openbell.instants import from_milliseconds
from openbell.supervisor.model.records import SlotRecord, Streak
from openbell.supervisor.store.connection import instant_column
from openbell.supervisor.store.counters import Counters
from openbell.supervisor.store.runs import MOST_WAITING, RunTable
from openbell.supervisor.store.slot_days import SlotDays

# An expression has no declared type: the numbers come as they are, which `_record` turns into values in half the time.
_SLOT = "+slots.first, +slots.last, slots.count, slots.outcome, slots.reason, +slots.late, +slots.judged, slots.run_id"
_PUT = "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"

_Key = tuple[str, str, int]  # strategy, bot, and the millisecond of the last slot


class SlotTable:
    """Records of slots and of ranges of them, by strategy, bot and last slot. Those of one bot do not overlap."""

    def __init__(self, database: sqlite3.Connection, runs: RunTable, counters: Counters, days: SlotDays) -> None:
        self._database = database
        self._runs = runs
        self._counters = counters
        self._days = days
        # Only single slots wait that the file has no record of: what waits never has to be compared with the file.
        self._waiting: dict[_Key, SlotRecord] = {}
        self._bounds: dict[tuple[str, str], int] = {}  # a bot has no record that ends later; it may end earlier

    def clear(self) -> None:
        """Forget what waits: its transaction is over."""
        self._waiting.clear()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._database.executemany(_PUT, [_row(key, slot) for key, slot in self._waiting.items()])
            self._waiting.clear()

    @property
    def _flushed(self) -> sqlite3.Connection:
        self.flush()
        return self._database

    def put(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Store the record of a slot or a range; one with the same last slot is replaced."""
        key = strategy, bot, instant_column(slot.last)
        bound = self._bound(strategy, bot)
        self._take_away(key, bound)
        if slot.outcome is not None:
            self._counters.put_slot(strategy, bot, slot)
            self._days.count(strategy, bot, slot, 1)
        # The file keeps whole milliseconds: what is more exact would come back otherwise than it went.
        is_single = slot.first == slot.last and not slot.last.microsecond % 1000
        if is_single and (key[2] > bound or key in self._waiting):
            self._waiting[key] = slot
        else:
            self._waiting.pop(key, None)
            self._database.execute(_PUT, _row(key, slot))
        if key[2] > bound:
            self._bounds[strategy, bot] = key[2]
        if len(self._waiting) >= MOST_WAITING:
            self.flush()
        if not self._database.in_transaction:
            for table in (self, self._counters, self._days):
                table.flush()

    def drop(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Remove a record."""
        key = strategy, bot, instant_column(slot.last)
        self._take_away(key, self._bound(strategy, bot))
        if self._waiting.pop(key, None) is None:
            self._database.execute("DELETE FROM slots WHERE strategy = ? AND bot = ? AND last = ?", key)

    def _take_away(self, key: _Key, bound: int) -> None:
        """Take the record that is stored under a key, if there is one, out of what is counted."""
        known = self._waiting.get(key)
        if known is None and key[2] <= bound:
            row = self._database.execute(
                f"SELECT {_SLOT} FROM slots WHERE strategy = ? AND bot = ? AND last = ?", key
            ).fetchone()
            known = _record(*row) if row else None
        if known is not None and known.outcome is not None:
            self._counters.remove_slot(key[0], key[1], known)
            self._days.count(key[0], key[1], known, -1)

    def _bound(self, strategy: str, bot: str) -> int:
        bound = self._bounds.get((strategy, bot))
        if bound is None:
            (bound,) = self._database.execute(
                "SELECT coalesce(max(last), -1) FROM slots WHERE strategy = ? AND bot = ?", (strategy, bot)
            ).fetchone()
            self._bounds[strategy, bot] = bound
        return bound

    def in_range(self, strategy: str, bot: str, first: datetime, last: datetime) -> list[SlotRecord]:
        """Return the records that touch first <= slot <= last, oldest first, without their runs' figures."""
        key = strategy, bot, instant_column(first)
        if first == last:
            if (waiting := self._waiting.get(key)) is not None:
                return [waiting]
            if key[2] > self._bound(strategy, bot):
                return []
        else:
            self.flush()
        rows = self._database.execute(
            f"SELECT {_SLOT} FROM slots WHERE strategy = ? AND bot = ? AND last >= ? ORDER BY last", key
        )
        # Records do not overlap: the first one beyond the end ends the search, which SQL could not know.
        return list(takewhile(lambda slot: slot.first <= last, starmap(_record, rows)))

    def recent(self, strategy: str, bot: str, until: datetime, limit: int) -> list[SlotRecord]:
        """Return the newest records up to `until` with their runs' figures, newest first."""
        self._runs.flush()
        rows = self._flushed.execute(
            f"SELECT {_SLOT}, runs.lateness_ms, runs.duration_ms, coalesce(runs.error, '') FROM slots LEFT JOIN runs USING (strategy, run_id) "
            "WHERE slots.strategy = ? AND slots.bot = ? AND slots.last <= ? ORDER BY slots.last DESC LIMIT ?",
            (strategy, bot, instant_column(until), limit),
        )
        return list(starmap(_record, rows))

    def last_success(self, strategy: str, bot: str, until: datetime) -> datetime | None:
        """Return the newest slot up to `until` that succeeded, or None."""
        row = self._flushed.execute(
            "SELECT last FROM slots WHERE strategy = ? AND bot = ? AND last <= ? AND outcome = 'succeeded' ORDER BY last DESC LIMIT 1",
            (strategy, bot, instant_column(until)),
        ).fetchone()
        return row[0] if row else None

    def bad_streaks(self, strategy: str, bot: str, after: datetime | None, until: datetime) -> list[Streak]:
        """Return the bad slots with after < slot <= until, by outcome; see `slot_history.bad_streaks`."""
        rows = self._flushed.execute(
            "SELECT coalesce(outcome, 'missed') AS fate, total(count), min(first), max(last) FROM slots WHERE strategy = ? AND bot = ? "
            "AND last > ? AND last <= ? AND (outcome IN ('missed', 'failed', 'timed_out', 'interrupted') OR (outcome IS NULL AND late)) "
            "GROUP BY fate ORDER BY max(last) DESC",
            (strategy, bot, -1 if after is None else instant_column(after), instant_column(until)),
        )
        return [
            Streak(fate, int(count), from_milliseconds(first), from_milliseconds(last))
            for fate, count, first, last in rows
        ]

    def count_missed(self, strategy: str, bot: str, since: datetime) -> int:
        """Return how many slots from `since` on were missed; a range that began before does not count."""
        (count,) = self._flushed.execute(
            "SELECT total(count) FROM slots WHERE strategy = ? AND bot = ? AND last >= ? AND first >= ? AND outcome = 'missed'",
            (strategy, bot, instant_column(since), instant_column(since)),
        ).fetchone()
        return int(count)


def _row(key: _Key, slot: SlotRecord) -> tuple[object, ...]:
    first = key[2] if slot.first is slot.last else instant_column(slot.first)
    return (*key, first, *slot[2:8])


def _record(
    first: int,
    last: int,
    count: int,
    outcome: str | None,
    reason: str,
    late: int,
    judged: int,
    *run: object,
) -> SlotRecord:
    # Equal values are shared, since twenty records of each bot stay in memory.
    begin = from_milliseconds(first)
    end = begin if last == first else from_milliseconds(last)
    outcome = None if outcome is None else intern(outcome)
    return SlotRecord(begin, end, count, outcome, reason, late == 1, judged == 1, *run)  # type: ignore[arg-type]
