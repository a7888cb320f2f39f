"""Retention: removes old records and summarises the days, in small slices so that the watch is not delayed."""

# ruff: noqa: S608 - tables and columns are constants of the module

import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, time, timedelta
from itertools import groupby

from openbell.instants import milliseconds
from openbell.supervisor.model.durations import Trend, of_day, trend_of
from openbell.supervisor.model.records import Day
from openbell.supervisor.store import event_tables
from openbell.supervisor.store.equity import EquityTable
from openbell.supervisor.store.orders import OrderTable
from openbell.supervisor.store.slots import SlotDays

KEEP_DAYS = 30  # days of slots and runs that stay
KEEP_RUNS = 3_000  # slots, and runs, of a bot that stay
KEEP_FAULTS = 10_000  # entries in the log of faults that stay
KEEP_SUMS = 400  # days of a bot's summaries of durations that stay
CATCH_UP = timedelta(hours=2)  # of age that a sweep, which comes every hour, adds after an absence

_DAY = timedelta(days=1)

Timeouts = Callable[[str, str], timedelta | None]  # a bot's timeout; None for an unknown bot


def aged_to(now: datetime, before: datetime | None, *, is_first: bool) -> datetime:
    """Return the instant by which records are old: `now`, unless that is more than a day after the sweep before.

    Then either this process was not running, or its clock is ahead, and by the time it is corrected hardly anything has
    been removed. before: what this function returned last, also before a restart; is_first: there was a restart.
    """
    if before is None or now <= before + _DAY:
        return now
    return before if is_first else before + CATCH_UP


def sweep(database: sqlite3.Connection, now: datetime, timeouts: Timeouts) -> Iterator[tuple[str, str]]:
    """Prune all tables. Yields after each slice of work, with the strategy and the bot if its view changes by it."""
    for strategy, bot in _owners(database, "runs", "strategy, bot"):
        timeout = timeouts(strategy, bot)
        changed = timeout is not None and _summarise(database, strategy, bot, now, timeout)
        yield (strategy, bot) if changed else ("", "")
    cut = milliseconds(now - timedelta(days=KEEP_DAYS))
    # A run in progress stays, however long ago it began: a stream's may go on for months.
    for table, at, spared in (("runs", "slot", "outcome IS NULL"), ("slots", "last", "FALSE")):
        for owner in _owners(database, table, "strategy, bot"):
            database.execute(
                f"DELETE FROM {table} WHERE strategy = ? AND bot = ? AND NOT {spared} AND {at} < max(?, coalesce((SELECT {at} FROM {table} "
                f"WHERE strategy = ? AND bot = ? ORDER BY {at} DESC LIMIT 1 OFFSET ?), 0))",
                (*owner, cut, *owner, KEEP_RUNS - 1),
            )
            yield "", ""
    for events in event_tables.TABLES:
        for owner in _owners(database, events.name, ", ".join(events.owner)):
            event_tables.prune(database, events, owner)
            yield "", ""
    for table_name, owner_columns, prune in (
        ("slot_days", "strategy, bot", SlotDays(database).prune),
        ("equity", "strategy", EquityTable(database).prune),
        ("orders", "strategy, bot", OrderTable(database).prune),
    ):
        for owner in _owners(database, table_name, owner_columns):
            prune(owner, now)
            yield "", ""
    oldest = (now.date() - timedelta(days=KEEP_SUMS)).isoformat()
    for owner in _owners(database, "days", "strategy, bot"):
        database.execute("DELETE FROM days WHERE strategy = ? AND bot = ? AND day < ?", (*owner, oldest))
        yield "", ""
    database.execute("DELETE FROM faults WHERE id <= (SELECT max(id) FROM faults) - ?", (KEEP_FAULTS,))


def _owners(database: sqlite3.Connection, table: str, columns: str) -> Iterator[tuple[str, ...]]:
    # One step down the index for each owner, instead of a scan of all rows.
    marks = ", ".join("?" * len(columns.split(",")))
    owner: tuple[str, ...] | None = ("",) * len(columns.split(","))
    while owner is not None:
        owner = database.execute(
            f"SELECT {columns} FROM {table} WHERE ({columns}) > ({marks}) ORDER BY {columns} LIMIT 1", owner
        ).fetchone()
        if owner is not None:
            yield owner


def _summarise(database: sqlite3.Connection, strategy: str, bot: str, now: datetime, timeout: timedelta) -> bool:
    """Summarise the days that are over; return whether there was one."""
    owner = strategy, bot
    (newest,) = database.execute("SELECT max(day) FROM days WHERE strategy = ? AND bot = ?", owner).fetchone()
    today = datetime.combine(now.astimezone(UTC).date(), time(), UTC)
    begin = today - timedelta(days=KEEP_DAYS)
    if newest is not None:
        begin = max(begin, datetime.combine(date.fromisoformat(newest), time(), UTC) + _DAY)
    if begin >= today:
        return False
    rows = database.execute(
        "SELECT slot, duration_ms FROM runs WHERE strategy = ? AND bot = ? AND slot >= ? AND slot < ? "
        "AND outcome = 'succeeded' AND duration_ms IS NOT NULL ORDER BY slot",
        (*owner, milliseconds(begin), milliseconds(today)),
    ).fetchall()
    new = [of_day(day, [ms for _, ms in runs]) for day, runs in groupby(rows, key=lambda row: row[0].date())]
    if not new:
        return False
    database.executemany(
        "INSERT OR REPLACE INTO days VALUES (?, ?, ?, ?, ?, ?)",
        [(*owner, day.day.isoformat(), day.runs, day.median_ms, day.p95_ms) for day in new],
    )
    _put_trend(database, strategy, bot, trend_of(days(database, strategy, bot), timeout))
    return True


def days(database: sqlite3.Connection, strategy: str, bot: str) -> list[Day]:
    """Return how long a bot's runs took day by day, oldest first."""
    rows = database.execute(
        "SELECT day, runs, median_ms, p95_ms FROM days WHERE strategy = ? AND bot = ? ORDER BY day", (strategy, bot)
    )
    return [Day(date.fromisoformat(day), runs, median, p95) for day, runs, median, p95 in rows]


def trend(database: sqlite3.Connection, strategy: str, bot: str) -> Trend | None:
    """Return how a bot's durations creep, or None if they do not."""
    row = database.execute(
        "SELECT creep, limit_at, since FROM trends WHERE strategy = ? AND bot = ?", (strategy, bot)
    ).fetchone()
    return Trend(*row) if row else None


def _put_trend(database: sqlite3.Connection, strategy: str, bot: str, found: Trend | None) -> None:
    database.execute("DELETE FROM trends WHERE strategy = ? AND bot = ?", (strategy, bot))
    if found is not None:
        limit = None if found.limit_at is None else milliseconds(found.limit_at)
        row = (strategy, bot, found.creep, limit, milliseconds(found.since))
        database.execute("INSERT INTO trends VALUES (?, ?, ?, ?, ?)", row)
