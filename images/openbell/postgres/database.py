"""The tables of one schema in PostgreSQL, through the connection that a process has to its server.

The statements of the ledger and of the paper account are written so that SQLite and PostgreSQL understand them; what the
two define differently (tables, the beginning of a transaction) each has for itself. psycopg2 puts the values into a
statement as quoted literals, and the schema is chosen in the same exchange of messages, for that transaction only. So all
of it works through a pooler, which gives every transaction another session.
"""

import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from openbell.postgres.connection import Connection, PostgresError, Row, Value
from openbell.records import dataclass

PATIENCE = 5.0  # seconds for an answer
TIMELINE = "substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)"  # grows when a standby is promoted
WAKING = "OPENBELL_DATABASE_PATIENCE"  # seconds for the first answer: a database that sleeps takes 8 to 15 to wake up
WAKING_PATIENCE = 25.0
# Seconds between two statements of a transaction after which the server ends it: its process is frozen or gone.
FROZEN_AFTER = 5
_END_IF_FROZEN = f"SET LOCAL idle_in_transaction_session_timeout = '{FROZEN_AFTER}s'"
LOCK_PATIENCE = 20.0  # seconds for a lock
LOCK_LIMIT = 15  # seconds after which a lock is free again if its holder has died
LOCK_PAUSE = 0.05  # seconds between two tries
MAKE_PAUSE = 0.5  # seconds between two tries to make tables
_MADE = re.compile(r"CREATE (?:TABLE|INDEX) (?:IF NOT EXISTS )?(\w+)")
# A row, not an advisory lock: that would keep one connection of a pool for as long as it is held, while its holder waits for
# another. Each statement here is short.
_LOCK = (
    "INSERT INTO locks VALUES (?, ?, clock_timestamp() + ? * interval '1 second') ON CONFLICT (name) "
    "DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE locks.until < clock_timestamp()"
)


@dataclass(frozen=True)
class Guard:
    """The ownership that a write needs: the strategy, and the epoch in which this process belongs to its owner."""

    strategy: str  # lower-case letters, digits and underscores, as every strategy's name
    epoch: int
    owner: str  # the loop, by its boot: a database that has lost commits may give the same epoch to another
    timeline: str = ""  # of the database when it was acquired; empty where that is not told

    @property
    def held(self) -> str:
        """Return what is true of the ownership's row as long as it is held."""
        held = f"strategy = '{self.strategy}' AND epoch = {self.epoch} AND owner = '{self.owner}' AND until > clock_timestamp()"
        return f"{held} AND {TIMELINE} = '{self.timeline}'" if self.timeline else held

    @property
    def condition(self) -> str:
        """Return the statement that finds the ownership, and holds it until the transaction ends.

        Another takes over by changing the row, which waits for this lock: what is written under it comes before.
        """
        return f"SELECT epoch FROM openbell.owners WHERE {self.held} FOR SHARE"  # noqa: S608 - no value comes from outside


class OwnershipLostError(PostgresError):
    """Another loop owns the strategy, or this one could not renew: nothing was written."""

    def __init__(self, strategy: str) -> None:
        super().__init__(f"{strategy} is not owned by this loop any more: nothing was written")


class Rows(list[Row]):
    """The answer to a statement, as a cursor would give it."""

    def __init__(self, rows: Iterable[Row], rowcount: int) -> None:
        super().__init__(rows)
        self.rowcount = rowcount

    def fetchone(self) -> Row | None:
        """Return the first row, or None."""
        return self[0] if self else None

    def fetchall(self) -> list[Row]:
        """Return all rows."""
        return list(self)


@dataclass
class _ProcessConnection:
    """One process's connection to one server. A connection that a fork has copied is left alone: it is the parent's."""

    connection: Connection
    in_transaction: bool = False
    search_path: str = ""  # the open transaction's


_lines: dict[tuple[int, str], _ProcessConnection] = {}


class _WaitPolicy:
    """How this process waits for a server."""

    patience: float | None = None  # seconds, in place of PATIENCE and of what a server that wakes up may take
    hold_off = 0.0  # seconds after a failure in which no new connection is tried
    failed_at = float("-inf")


def wait_no_longer_than(patience: float, hold_off: float) -> None:
    """Let this process, which has more to do than to wait, give up early and not wait again at once."""
    _WaitPolicy.patience, _WaitPolicy.hold_off = patience, hold_off


class Database:
    """The tables in one schema. All of a process share one connection, and one transaction at a time."""

    def __init__(self, url: str, schema: str = "", guard: Guard | None = None) -> None:
        """Name the tables' place; a schema of "" leaves it to the server, and such statements run outside of transactions.

        guard: the ownership without which no transaction begins.
        """
        self._guard = guard
        self._url = url
        self._schema = f'"{schema}"' if schema else ""
        self._key = zlib.crc32(self._schema.encode())

    @property
    def in_transaction(self) -> bool:
        """Tell whether a transaction is open."""
        line = _lines.get((os.getpid(), self._url))
        return line is not None and line.in_transaction

    def execute(self, statement: str, values: Sequence[Value] = ()) -> Rows:
        """Carry out one statement, with the values in place of its question marks."""
        return self._ask(self._filled(statement, values))

    def executemany(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Carry out one statement for each row."""
        if filled := [self._filled(statement, row) for row in rows]:
            self._ask(b"; ".join(filled))

    def make(self, tables: str) -> None:
        """Make tables and indexes where they are missing, also while other processes make some; PostgresError if it takes too long."""
        patience = _WaitPolicy.patience or LOCK_PATIENCE
        until = time.monotonic() + patience
        while not (self._has(tables) or self._try_to_make(tables)):
            if time.monotonic() > until:
                msg = f"PostgreSQL: other processes were making their tables for {patience:g} s"
                raise PostgresError(msg)
            time.sleep(MAKE_PAUSE)

    def _has(self, tables: str) -> bool:
        """Tell whether all of it is there: a hundred loops that start at once need not ask for locks to find that out."""
        names = _MADE.findall(tables)
        there = (
            "SELECT count(*) FROM pg_catalog.pg_class WHERE relnamespace = to_regnamespace(?) "
            "AND relname = ANY (string_to_array(?, ' '))"
        )
        ((count,),) = self.execute(there, (self._schema, " ".join(names)))
        return count == len(names)

    def _try_to_make(self, tables: str) -> bool:
        """Make what is missing, unless another process makes tables.

        It is not waited for here: a process that has lost its patience would leave its session in the lock's queue. One at a
        time: two that make the schema of all strategies would meet, and a server does not get quicker by making more at once.
        """
        with self._line().connection.alone():
            ((is_free,),) = self._run(
                f"BEGIN; SET LOCAL client_min_messages = warning; {_END_IF_FROZEN}; SELECT pg_try_advisory_xact_lock(0)"
            )
            made = f"CREATE SCHEMA IF NOT EXISTS {self._schema}; SET LOCAL search_path TO {self._schema}; {tables}"
            self._run(f"{made.strip().rstrip(';')}; COMMIT" if is_free else "ROLLBACK")
        return bool(is_free)

    @contextmanager
    def transaction(self) -> Iterator[None]:
        """Make the statements within one step, or none of them.

        As in SQLite there is one writer at a time, and what a transaction has read stays so until its end.
        """
        if self.in_transaction:
            msg = "a transaction is open already"
            raise PostgresError(msg)
        begin = (
            f"BEGIN; SET LOCAL search_path TO {self._schema}; "
            f"{_END_IF_FROZEN}; SELECT pg_advisory_xact_lock({self._key})"
        )
        rows = self._run(f"{begin}; {self._guard.condition}" if self._guard else begin)
        line = self._line()
        line.in_transaction, line.search_path = True, self._schema
        if self._guard and not rows:
            self._end("ROLLBACK")
            raise OwnershipLostError(self._guard.strategy)
        try:
            yield
        except BaseException:
            with suppress(PostgresError):
                self._end("ROLLBACK")
            raise
        self._end("COMMIT")

    @contextmanager
    def locked(self, name: str) -> Iterator[None]:
        """Hold the lock of this name, alone of all processes on all machines; PostgresError if it does not become free.

        A holder that has died loses it after LOCK_LIMIT seconds.
        """
        owner, until = os.urandom(8).hex(), time.monotonic() + LOCK_PATIENCE
        while not self.execute(_LOCK, (name, owner, LOCK_LIMIT)).rowcount:
            if time.monotonic() > until:
                msg = f"PostgreSQL: the lock {name} was not free within {LOCK_PATIENCE:g} s"
                raise PostgresError(msg)
            time.sleep(LOCK_PAUSE)
        try:
            yield
        finally:
            with suppress(PostgresError):
                self.execute("DELETE FROM locks WHERE name = ? AND owner = ?", (name, owner))

    def close(self) -> None:
        """Close this process's connection, for all who share it; the next statement makes a new one."""
        if line := _lines.pop((os.getpid(), self._url), None):
            line.connection.close()

    def _line(self) -> _ProcessConnection:
        here = (os.getpid(), self._url)
        if here not in _lines:
            if time.monotonic() - _WaitPolicy.failed_at < _WaitPolicy.hold_off:
                msg = "PostgreSQL cannot be reached: it gave no answer a moment ago"
                raise PostgresError(msg)
            patience = _WaitPolicy.patience
            try:
                _lines[here] = _ProcessConnection(
                    Connection(self._url, patience or PATIENCE, patience or _waking_patience())
                )
            except PostgresError:
                _WaitPolicy.failed_at = time.monotonic()
                raise
        return _lines[here]

    def _filled(self, statement: str, values: Sequence[Value]) -> bytes:
        return self._line().connection.filled(placeholders(statement), values)

    def _ask(self, statements: bytes) -> Rows:
        """Carry out statements on this schema's tables."""
        line = self._line()
        if line.search_path != self._schema:
            # Without a transaction the statements of one exchange are one, and the choice ends with it.
            statements = f"SET LOCAL search_path TO {self._schema}; ".encode() + statements
            line.search_path = self._schema if line.in_transaction else ""
        return self._run(statements)

    def _end(self, statement: str) -> None:
        line = _lines.get((os.getpid(), self._url))
        if line is None or not line.in_transaction:
            return  # the connection was lost, and the transaction with it
        line.in_transaction, line.search_path = False, ""
        self._run(statement)
        if statement == "COMMIT" and line.connection.status == "ROLLBACK":
            msg = "PostgreSQL: a statement of the transaction had failed, so nothing of it was kept"
            raise PostgresError(msg)

    def _run(self, text: str | bytes) -> Rows:
        line = self._line()
        try:
            return Rows(*line.connection.run(text))
        except PostgresError:
            # What is left of a transaction must not be there for the next statement, and a broken connection neither.
            if not (line.connection.is_closed or line.in_transaction):
                with suppress(PostgresError):
                    line.connection.run("ROLLBACK")
            if line.connection.is_closed:
                _WaitPolicy.failed_at = time.monotonic()
                self.close()
            raise


def placeholders(statement: str) -> str:
    """Return a statement with psycopg2's placeholders in place of SQLite's. None of ours has a question mark in a text."""
    return statement.replace("%", "%%").replace("?", "%s")


def _waking_patience() -> float:
    text = os.environ.get(WAKING, "")
    if not text:
        return WAKING_PATIENCE
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 1 <= seconds <= 600:
        msg = f'{WAKING}: found "{text}"; allowed: seconds from 1 to 600'
        raise PostgresError(msg)
    return seconds
