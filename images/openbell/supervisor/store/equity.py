"""What a strategy's account was worth, hour by hour for a month and day by day for years."""

import sqlite3
from collections.abc import Sequence
from datetime import datetime, timedelta

from openbell.supervisor.model.records import AccountRecord, Worth
from openbell.supervisor.store.connection import instant_column

HOUR, DAY = "hour", "day"
LENGTHS = {HOUR: timedelta(hours=1), DAY: timedelta(days=1)}
KEEP = {HOUR: timedelta(days=32), DAY: timedelta(days=3_700)}

# A line that is read twice, or late, changes nothing that it should not.
_PUT = """INSERT INTO equity VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) ON CONFLICT DO UPDATE SET
    first = iif(?5 < first_at, ?6, first), first_at = min(first_at, ?5), low = min(low, ?7), high = max(high, ?8),
    last = iif(?9 >= last_at, ?10, last), last_at = max(last_at, ?9)"""
_READ = "SELECT first_at, first, last_at, last FROM equity WHERE strategy = ? AND broker = ? AND span = ?"


class EquityTable:
    """The table `equity`. Changes are gathered and written with the transaction that they belong to."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        # What waits for the end of the transaction: first instant and value, lowest, highest, last instant and value.
        self._waiting: dict[tuple[str, str, str, int], tuple[int, float, float, float, int, float]] = {}

    def put(self, strategy: str, account: AccountRecord) -> None:
        """Add what an account was worth at an instant."""
        if account.equity is None:
            return
        at, value = instant_column(account.at), account.equity
        for span, length in LENGTHS.items():
            key = (strategy, account.broker, span, begin_of(at, length))
            first_at, first, low, high, last_at, last = self._waiting.get(key, (at, value, value, value, at, value))
            if at < first_at:
                first_at, first = at, value
            if at >= last_at:
                last_at, last = at, value
            self._waiting[key] = (first_at, first, min(low, value), max(high, value), last_at, last)
        if not self._database.in_transaction:
            self.flush()

    def clear(self) -> None:
        """Forget what waits: its transaction was rolled back."""
        self._waiting.clear()

    def flush(self) -> None:
        """Write what waits."""
        self._database.executemany(_PUT, [(*key, *bar) for key, bar in self._waiting.items()])
        self._waiting.clear()

    def line(self, strategy: str, broker: str, span: str, since: datetime) -> list[tuple[datetime, float]]:
        """Return the equity where the hours or days from `since` on begin, and at the end of each that has any record."""
        rows = self._database.execute(
            f"{_READ} AND at >= ? ORDER BY at", (strategy, broker, span, begin_of(instant_column(since), LENGTHS[span]))
        )
        points: list[tuple[datetime, float]] = []
        for first_at, first, last_at, last in rows:
            if not points:
                points.append((first_at, first))
            points.append((last_at, last))
        return points

    def worth(self, strategy: str, account: AccountRecord | None, today: datetime, week: datetime) -> Worth | None:
        """Return what the newest account is worth, and its gain since `today` and `week`; None if it does not say."""
        if account is None or account.equity is None:
            return None
        owner = strategy, account.broker
        start = self._database.execute(f"{_READ} ORDER BY at LIMIT 1", (*owner, DAY)).fetchone()
        day = account.day_profit_loss
        return Worth(
            at=account.at,
            currency=account.currency,
            equity=account.equity,
            today=self._gain(owner, account, today) if day is None else day,
            week=self._gain(owner, account, week),
            start=None if start is None else account.equity - start[1],
            started_at=None if start is None else start[0],
        )

    def _gain(self, owner: tuple[str, str], account: AccountRecord, since: datetime) -> float | None:
        if account.equity is None or account.at < since:
            return None  # nothing is known of this day
        begin = instant_column(since)
        before = self._database.execute(
            f"{_READ} AND at < ? AND last_at < ? ORDER BY at DESC LIMIT 1", (*owner, HOUR, begin, begin)
        ).fetchone()
        if before is not None:
            return account.equity - float(before[3])
        first = self._database.execute(
            f"{_READ} AND last_at >= ? ORDER BY at LIMIT 1", (*owner, HOUR, begin)
        ).fetchone()
        return None if first is None else account.equity - float(first[1])

    def prune(self, owner: Sequence[str], now: datetime) -> None:
        """Remove a strategy's oldest hours and days."""
        for span, kept in KEEP.items():
            self._database.execute(
                "DELETE FROM equity WHERE strategy = ? AND span = ? AND at < ?",
                (*owner, span, instant_column(now - kept)),
            )


def begin_of(at: int, length: timedelta) -> int:
    """Return the milliseconds at which the hour, day or other length begins that an instant lies in."""
    return at - at % (length // timedelta(milliseconds=1))
