"""The store: what the supervisor remembers between two starts, one SQLite file on its own volume.

What was read from the journals and how far it was read are committed together, so that a crash neither loses nor
repeats anything.
"""

# ruff: noqa: S608 - the lists of columns are constants of the module

import hashlib
import json
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from itertools import starmap, takewhile
from pathlib import Path

from openbell.journal import Event
from openbell.supervisor.records import DecisionRecord, ErrorRecord, Expected, RunRecord, ServiceEvent, SlotRecord
from openbell.supervisor.schema import SCHEMA, VERSION

KEEP_DAYS = 30  # days of slots and runs that stay in the store
KEEP_EACH = 200  # decisions and errors of a bot, and events of a strategy's loop, that stay

_SLOT = "slots.first, slots.last, slots.count, slots.outcome, slots.reason, slots.late, slots.judged, slots.run_id"
_RUN = "run_id, bot, slot, trigger, attempt, started_at, attempt_at, lateness_ms, ended_at, outcome, duration_ms, orders, error, judged"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICK = timedelta(milliseconds=1)

# How the columns of these types in schema.py become values.
sqlite3.register_converter("INSTANT", lambda number: _EPOCH + int(number) * _TICK)
sqlite3.register_converter("FLAG", lambda number: number != b"0")


class Store:
    """The supervisor's memory. Every method raises sqlite3.Error if the file cannot be read or written.

    The loop that watches writes with one; each question of the page reads with one of its own (`read_only`).
    """

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        target = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
        self._database = sqlite3.connect(
            target,
            uri=True,
            timeout=5,
            isolation_level=None,
            check_same_thread=False,
            detect_types=sqlite3.PARSE_DECLTYPES,
        )
        try:
            if read_only:
                self._database.execute("PRAGMA query_only = ON")
            else:
                self._prepare(path)
        except BaseException:
            self._database.close()
            raise

    def _prepare(self, path: Path) -> None:
        (version,) = self._database.execute("PRAGMA user_version").fetchone()
        if version > VERSION:
            msg = f"{path} was written by a newer openbell (format {version}, this one knows {VERSION}): update, or remove the file"
            raise sqlite3.DatabaseError(msg)
        self._database.execute("PRAGMA journal_mode = WAL")
        # A power cut may take the last moments with it: the positions go with them, and the journal is read again.
        self._database.execute("PRAGMA synchronous = NORMAL")
        self._database.executescript(SCHEMA)
        self._database.execute(f"PRAGMA user_version = {VERSION}")

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Keep all that is written within, or nothing of it."""
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
            self._database.execute("COMMIT")
        except BaseException:
            if self._database.in_transaction:
                self._database.execute("ROLLBACK")
            raise

    # How far the journals are read

    def positions(self) -> dict[str, int]:
        """Return how far each file of the journals is read."""
        return dict(self._database.execute("SELECT file, position FROM positions"))

    def keep_positions(self, positions: Mapping[str, int], before: Mapping[str, int]) -> None:
        """Store what differs between two states of the positions."""
        changed = [(file, position) for file, position in positions.items() if before.get(file) != position]
        self._database.executemany("INSERT OR REPLACE INTO positions VALUES (?, ?)", changed)
        gone = [(file,) for file in before if file not in positions]
        self._database.executemany("DELETE FROM positions WHERE file = ?", gone)

    # What is expected

    def expected(self) -> list[Expected]:
        """Return from when on the slots of each bot are expected."""
        rows = self._database.execute("SELECT strategy, bot, schedule, since, settled_until, started FROM expected")
        return [Expected(*row) for row in rows]

    def expect(self, expected: Expected) -> None:
        """Store from when on a bot's slots are expected; what was stored is replaced."""
        row = (
            expected.strategy,
            expected.bot,
            expected.schedule,
            _ms(expected.since),
            _ms(expected.settled_until),
            expected.started,
        )
        self._database.execute("INSERT OR REPLACE INTO expected VALUES (?, ?, ?, ?, ?, ?)", row)

    def expect_no_more(self, strategy: str, bot: str) -> None:
        """Forget that a bot's slots are expected; its records stay."""
        self._database.execute("DELETE FROM expected WHERE strategy = ? AND bot = ?", (strategy, bot))

    # Slots

    def put_slot(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Store the record of a slot or a range; one with the same last slot is replaced."""
        row = (
            strategy,
            bot,
            _ms(slot.last),
            _ms(slot.first),
            slot.count,
            slot.outcome,
            slot.reason,
            slot.late,
            slot.judged,
            slot.run_id,
        )
        self._database.execute("INSERT OR REPLACE INTO slots VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def drop_slot(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Remove a record."""
        self._database.execute(
            "DELETE FROM slots WHERE strategy = ? AND bot = ? AND last = ?", (strategy, bot, _ms(slot.last))
        )

    def slots_within(self, strategy: str, bot: str, first: datetime, last: datetime) -> list[SlotRecord]:
        """Return the records that touch first <= slot <= last, oldest first, without their runs' figures."""
        rows = self._database.execute(
            f"SELECT {_SLOT} FROM slots WHERE strategy = ? AND bot = ? AND last >= ? ORDER BY last",
            (strategy, bot, _ms(first)),
        )
        # Records do not overlap: the first one beyond the end ends the search, which SQL could not know.
        return list(takewhile(lambda slot: slot.first <= last, starmap(SlotRecord, rows)))

    def recent_slots(self, strategy: str, bot: str, until: datetime, limit: int) -> list[SlotRecord]:
        """Return the newest records up to `until` with their runs' figures, newest first."""
        rows = self._database.execute(
            f"SELECT {_SLOT}, runs.lateness_ms, runs.duration_ms, coalesce(runs.error, '') FROM slots LEFT JOIN runs USING (strategy, run_id) "
            "WHERE slots.strategy = ? AND slots.bot = ? AND slots.last <= ? ORDER BY slots.last DESC LIMIT ?",
            (strategy, bot, _ms(until), limit),
        )
        return [SlotRecord(*row) for row in rows]

    def count_missed(self, strategy: str, bot: str, since: datetime) -> int:
        """Return how many slots from `since` on were missed; a range that began before does not count."""
        (count,) = self._database.execute(
            "SELECT total(count) FROM slots WHERE strategy = ? AND bot = ? AND last >= ? AND first >= ? AND outcome = 'missed'",
            (strategy, bot, _ms(since), _ms(since)),
        ).fetchone()
        return int(count)

    # Runs

    def put_run(self, strategy: str, run: RunRecord) -> None:
        """Store a run; what was stored of it is replaced."""
        instants = [_maybe_ms(at) for at in (run.started_at, run.attempt_at, run.ended_at)]
        row = (
            *(
                strategy,
                run.run_id,
                run.bot,
                _ms(run.slot),
                run.trigger,
                run.attempt,
                instants[0],
                instants[1],
                run.lateness_ms,
            ),
            *(instants[2], run.outcome, run.duration_ms, run.orders, run.error, run.judged),
        )
        self._database.execute(f"INSERT OR REPLACE INTO runs VALUES ({', '.join('?' * len(row))})", row)

    def run(self, strategy: str, run_id: str) -> RunRecord | None:
        """Return a run, or None if it is not known."""
        row = self._database.execute(
            f"SELECT {_RUN} FROM runs WHERE strategy = ? AND run_id = ?", (strategy, run_id)
        ).fetchone()
        return RunRecord(*row) if row else None

    def open_runs(self, strategy: str, bot: str | None = None) -> list[RunRecord]:
        """Return the runs of a strategy, or of one bot, that have not ended, oldest first."""
        of_bot, values = ("", (strategy,)) if bot is None else ("AND bot = ?", (strategy, bot))
        rows = self._database.execute(
            f"SELECT {_RUN} FROM runs INDEXED BY open_runs WHERE strategy = ? {of_bot} AND outcome IS NULL ORDER BY slot",
            values,
        )
        return [RunRecord(*row) for row in rows]

    def recent_runs(self, strategy: str, bot: str, limit: int) -> list[RunRecord]:
        """Return a bot's newest runs, newest first."""
        rows = self._database.execute(
            f"SELECT {_RUN} FROM runs WHERE strategy = ? AND bot = ? ORDER BY slot DESC LIMIT ?", (strategy, bot, limit)
        )
        return [RunRecord(*row) for row in rows]

    # Decisions, errors, events of the loops. A line that comes twice is kept once.

    def add_decision(self, strategy: str, decision: DecisionRecord, line: Event) -> None:
        """Store a decision."""
        row = (
            *(_digest(line), strategy, decision.bot, _ms(decision.at), _maybe_ms(decision.slot), decision.run_id),
            *(decision.symbol, decision.action, decision.quantity, decision.reason, json.dumps(decision.about)),
        )
        self._database.execute("INSERT OR IGNORE INTO decisions VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def add_error(self, strategy: str, error: ErrorRecord, line: Event) -> None:
        """Store an error."""
        row = (
            *(_digest(line), strategy, error.bot, _ms(error.at), _maybe_ms(error.slot), error.run_id),
            *(error.error, error.traceback, error.will_retry),
        )
        self._database.execute("INSERT OR IGNORE INTO errors VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?)", row)

    def add_service(self, strategy: str, event: ServiceEvent, line: Event) -> None:
        """Store what happened to a strategy's loop."""
        row = (_digest(line), strategy, _ms(event.at), event.event, event.boot_id, event.detail, event.unclean)
        self._database.execute("INSERT OR IGNORE INTO services VALUES (NULL, ?, ?, ?, ?, ?, ?, ?)", row)

    def decisions(self, strategy: str, bot: str, limit: int) -> list[DecisionRecord]:
        """Return a bot's newest decisions, newest first."""
        rows = self._database.execute(
            "SELECT at, bot, slot, run_id, symbol, action, quantity, reason, about FROM decisions WHERE strategy = ? AND bot = ? "
            "ORDER BY id DESC LIMIT ?",
            (strategy, bot, limit),
        )
        return [
            DecisionRecord(at, of, slot, run_id, symbol, action, quantity, reason, json.loads(about))
            for at, of, slot, run_id, symbol, action, quantity, reason, about in rows
        ]

    def errors(self, strategy: str, limit: int) -> list[ErrorRecord]:
        """Return the newest errors of a strategy's runs and starts, newest first."""
        rows = self._database.execute(
            "SELECT at, bot, slot, run_id, error, traceback, will_retry FROM errors WHERE strategy = ? ORDER BY id DESC LIMIT ?",
            (strategy, limit),
        )
        return [ErrorRecord(*row) for row in rows]

    def services(self, strategy: str, limit: int) -> list[ServiceEvent]:
        """Return what happened to a strategy's loop, newest first."""
        rows = self._database.execute(
            "SELECT at, event, boot_id, detail, unclean FROM services WHERE strategy = ? ORDER BY id DESC LIMIT ?",
            (strategy, limit),
        )
        return [ServiceEvent(*row) for row in rows]

    def prune(self, now: datetime) -> None:
        """Remove what is older or more than is kept."""
        cut = _ms(now - timedelta(days=KEEP_DAYS))
        self._database.execute("DELETE FROM slots WHERE last < ?", (cut,))
        self._database.execute("DELETE FROM runs WHERE slot < ?", (cut,))
        for table, owner in (("decisions", "strategy, bot"), ("errors", "strategy, bot"), ("services", "strategy")):
            self._database.execute(
                f"DELETE FROM {table} WHERE id IN (SELECT id FROM (SELECT id, row_number() OVER "
                f"(PARTITION BY {owner} ORDER BY id DESC) AS place FROM {table}) WHERE place > ?)",
                (KEEP_EACH,),
            )


def _digest(line: Event) -> int:
    content = json.dumps(line, sort_keys=True).encode("utf-8", "surrogatepass")
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), signed=True)


def _ms(at: datetime) -> int:
    return (at - _EPOCH) // _TICK


def _maybe_ms(at: datetime | None) -> int | None:
    return None if at is None else _ms(at)
