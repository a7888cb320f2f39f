"""The table `runs`. What is put waits in memory until `flush`, and is found as if it were in the file already."""

# ruff: noqa: S608 - the list of columns is a constant of the module

import sqlite3
from collections.abc import Sequence
from datetime import datetime

from openbell.supervisor.model.records import RunRecord
from openbell.supervisor.store.connection import instant_column
from openbell.supervisor.store.counters import Counters

MOST_WAITING = 500  # rows

_COLUMNS = "run_id, bot, slot, trigger, attempt, started_at, attempt_at, lateness_ms, ended_at, outcome, duration_ms, orders, error, judged"
_PUT = f"INSERT OR REPLACE INTO runs (strategy, {_COLUMNS}) VALUES ({', '.join('?' * 15)})"
_SUCCEEDED = (
    "FROM runs WHERE strategy = ? AND bot = ? AND outcome = 'succeeded' AND duration_ms IS NOT NULL "
    "ORDER BY slot DESC LIMIT ?"
)


class RunTable:
    """Runs by strategy and run_id."""

    def __init__(self, database: sqlite3.Connection, counters: Counters) -> None:
        self._database = database
        self._counters = counters
        self._waiting: dict[tuple[str, str], RunRecord] = {}
        self._absent: set[tuple[str, str]] = set()  # of which neither the file nor what waits has a run

    def clear(self) -> None:
        """Forget what waits: its transaction is over."""
        self._waiting.clear()
        self._absent.clear()

    def flush(self) -> None:
        """Write what waits."""
        if self._waiting:
            self._database.executemany(_PUT, [_row(strategy, run) for (strategy, _), run in self._waiting.items()])
            self._waiting.clear()

    @property
    def _flushed(self) -> sqlite3.Connection:
        self.flush()
        return self._database

    def put(self, strategy: str, run: RunRecord) -> None:
        """Store a run; what was stored of it is replaced."""
        key = strategy, run.run_id
        self._counters.count_run(strategy, self._find(key), run)
        self._absent.discard(key)
        self._waiting[key] = run
        if len(self._waiting) >= MOST_WAITING:
            self.flush()
        if not self._database.in_transaction:
            self.flush()
            self._counters.flush()

    def prepare(self, strategy: str, run_ids: Sequence[str]) -> None:
        """Look up many runs of which most are not known: `get` answers without a question to the file where they are not."""
        self.flush()
        for begin in range(0, len(run_ids), MOST_WAITING):
            some = run_ids[begin : begin + MOST_WAITING]
            rows = self._database.execute(
                f"SELECT run_id FROM runs WHERE strategy = ? AND run_id IN ({', '.join('?' * len(some))})",
                (strategy, *some),
            )
            self._absent.update((strategy, one) for one in set(some).difference(found for (found,) in rows))

    def get(self, strategy: str, run_id: str) -> RunRecord | None:
        """Return a run, or None if it is not known."""
        return self._find((strategy, run_id))

    def _find(self, key: tuple[str, str]) -> RunRecord | None:
        waiting = self._waiting.get(key)
        if waiting is not None or key in self._absent:
            return waiting
        row = self._database.execute(f"SELECT {_COLUMNS} FROM runs WHERE strategy = ? AND run_id = ?", key).fetchone()
        if row is None:
            self._absent.add(key)
            return None
        return RunRecord(*row)

    def open(self, strategy: str, bot: str | None = None) -> list[RunRecord]:
        """Return the runs of a strategy, or of one bot, that have not ended, oldest first."""
        of_bot, values = ("", (strategy,)) if bot is None else ("AND bot = ?", (strategy, bot))
        rows = self._flushed.execute(
            f"SELECT {_COLUMNS} FROM runs INDEXED BY open_runs WHERE strategy = ? {of_bot} AND outcome IS NULL ORDER BY slot",
            values,
        )
        return [RunRecord(*row) for row in rows]

    def recent(self, strategy: str, bot: str, limit: int) -> list[RunRecord]:
        """Return a bot's newest runs, newest first."""
        rows = self._flushed.execute(
            f"SELECT {_COLUMNS} FROM runs WHERE strategy = ? AND bot = ? ORDER BY slot DESC LIMIT ?",
            (strategy, bot, limit),
        )
        return [RunRecord(*row) for row in rows]

    def failed_manual(self, strategy: str, bot: str, since: datetime, limit: int) -> list[RunRecord]:
        """Return a bot's newest manual runs from `since` on that ended and did not succeed, newest first."""
        rows = self._flushed.execute(
            f"SELECT {_COLUMNS} FROM runs WHERE strategy = ? AND bot = ? AND slot >= ? AND trigger = 'manual' "
            "AND outcome <> 'succeeded' ORDER BY slot DESC LIMIT ?",
            (strategy, bot, instant_column(since), limit),
        )
        return [RunRecord(*row) for row in rows]

    def durations_by_slot(self, strategy: str, bot: str, limit: int) -> list[tuple[datetime, float]]:
        """Return slot and duration in milliseconds of a bot's newest runs that succeeded, newest first."""
        return list(self._flushed.execute(f"SELECT slot, duration_ms {_SUCCEEDED}", (strategy, bot, limit)))

    def durations(self, strategy: str, bot: str, limit: int) -> list[float]:
        """Return the durations in milliseconds of a bot's newest runs that succeeded, newest first."""
        rows = self._flushed.execute(f"SELECT duration_ms {_SUCCEEDED}", (strategy, bot, limit))
        return [duration for (duration,) in rows]


def _row(strategy: str, run: RunRecord) -> tuple[object, ...]:
    started, attempted, ended = run.started_at, run.attempt_at, run.ended_at
    return (
        *(strategy, run.run_id, run.bot, instant_column(run.slot), run.trigger, run.attempt),
        None if started is None else instant_column(started),
        None if attempted is None else instant_column(attempted),
        run.lateness_ms,
        None if ended is None else instant_column(ended),
        *(run.outcome, run.duration_ms, run.orders, run.error, run.judged),
    )
