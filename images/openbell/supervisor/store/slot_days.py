"""How many slots of each bot ended how, day by day: they outlive the slots, of which only the newest are kept.

A slot counts on the UTC day of its last instant, so a range that spans several days counts on its last one.
"""

import sqlite3
from collections import defaultdict
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta

from openbell.supervisor.model.records import SlotRecord, Uptime
from openbell.supervisor.store.connection import instant_column

SPANS = (7, 30, 90)  # days over which the uptime is told
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
            f"INSERT OR REPLACE INTO slot_days SELECT strategy, bot, last / {_DAY_MS}, outcome, sum(count) "  # noqa: S608
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
            f"SELECT {_FIGURES} FROM slot_days WHERE strategy = ?2 AND bot = ?3 AND day > ?1 - {SPANS[-1]}",  # noqa: S608
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
