"""The table `slots`. What is put waits in memory until `flush`, and is found as if it were in the file already.

The table `slot_days` counts how many slots of each bot ended how, day by day. It outlives the slots, of which only the newest
are kept. A slot counts on the UTC day of its last instant, so a range that spans several days counts on its last one.
"""

# ruff: noqa: S608 - the list of columns is a constant of the module

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from itertools import starmap, takewhile
from sys import intern

from openbell.instants import from_milliseconds
from openbell.supervisor.model.records import SlotRecord, Streak, Uptime
from openbell.supervisor.store.connection import instant_column
from openbell.supervisor.store.counters import Counters
from openbell.supervisor.store.runs import MOST_WAITING, RunTable

SPANS = (7, 30, 90)  # days over which the uptime is computed
KEEP_DAYS = 400
_DAY_MS = 86_400_000
_FILLED = "slot_days.filled"  # the mark that says that the slots which were there before this table are counted
_EPOCH = date(1970, 1, 1)
# What counts as up, and what counts at all: a slot that was skipped on purpose says nothing.
_GOOD = "outcome = 'succeeded'"
_COUNTED = "outcome <> 'skipped'"
_FIGURES = ", ".join(
    f"total(slots) FILTER (WHERE day > ?1 - {days} AND {which})" for days in SPANS for which in (_GOOD, _COUNTED)
)

# An expression has no declared type: the numbers come as they are, which `_record` turns into values in half the time.
_SLOT = "+slots.first, +slots.last, slots.count, slots.outcome, slots.reason, +slots.late, +slots.judged, slots.run_id"
_PUT = "INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"
_Key = tuple[str, str, int]  # strategy, bot, and the millisecond of the last slot


class SlotDays:
    """The table `slot_days`. Changes are gathered and written with the transaction that they belong to."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        self._changes: dict[tuple[str, str, int, str], int] = defaultdict(int)

    def fill(self) -> None:
        """Count the slots that an older version has stored; done once."""
        if self._database.execute("SELECT 1 FROM marks WHERE name = ?", (_FILLED,)).fetchone():
            return
        self._database.execute("BEGIN IMMEDIATE")
        self._database.execute(
            f"INSERT OR REPLACE INTO slot_days SELECT strategy, bot, last / {_DAY_MS}, outcome, sum(count) "
            "FROM slots WHERE outcome IS NOT NULL GROUP BY 1, 2, 3, 4"
        )
        self._database.execute("INSERT INTO marks VALUES (?, 0)", (_FILLED,))
        self._database.execute("COMMIT")

    def count(self, strategy: str, bot: str, slot: SlotRecord, sign: int) -> None:
        """Add a record, or take one away (`sign` is -1)."""
        if slot.outcome is not None:
            self._changes[strategy, bot, instant_column(slot.last) // _DAY_MS, slot.outcome] += sign * slot.count

    def clear(self) -> None:
        """Forget changes of a transaction that was rolled back."""
        self._changes.clear()

    def flush(self) -> None:
        """Write what was gathered."""
        rows = [(*key, change, change) for key, change in self._changes.items() if change]
        self._database.executemany(
            "INSERT INTO slot_days VALUES (?, ?, ?, ?, max(?, 0)) ON CONFLICT DO UPDATE SET slots = max(slots + ?, 0)",
            rows,
        )
        self._changes.clear()

    def uptime(self, strategy: str, bot: str, now: datetime) -> Uptime:
        """Return a bot's uptime over the last days, today included."""
        today = instant_column(now) // _DAY_MS
        row = self._database.execute(
            f"SELECT {_FIGURES} FROM slot_days WHERE strategy = ?2 AND bot = ?3 AND day > ?1 - {SPANS[-1]}",
            (today, strategy, bot),
        ).fetchone()
        return Uptime(*(good / counted if counted else None for good, counted in zip(row[::2], row[1::2], strict=True)))

    def days(self, strategy: str, bot: str, since: date) -> Mapping[date, Mapping[str, int]]:
        """Return how many slots ended how on each day from `since` on that has any."""
        found: dict[date, dict[str, int]] = defaultdict(dict)
        rows = self._database.execute(
            "SELECT day, outcome, slots FROM slot_days WHERE strategy = ? AND bot = ? AND day >= ? AND slots > 0",
            (strategy, bot, (since - _EPOCH).days),
        )
        for day, outcome, slots in rows:
            found[_EPOCH + timedelta(days=day)][outcome] = slots
        return found

    def prune(self, owner: Sequence[str], now: datetime) -> None:
        """Remove a bot's oldest days."""
        oldest = (now.astimezone(UTC).date() - _EPOCH).days - KEEP_DAYS
        self._database.execute("DELETE FROM slot_days WHERE strategy = ? AND bot = ? AND day < ?", (*owner, oldest))


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
        """Return the bad slots with after < slot <= until, by outcome; see `bot_monitor.bad_streaks`."""
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
