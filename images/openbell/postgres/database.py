"""A connection to PostgreSQL that speaks as much of SQLite's dialect as openbell's own statements need.

So the ledger and the paper account are one code with one meaning, wherever they are kept. psycopg2 puts the values into a
statement as quoted literals: each statement is one exchange of messages with the server, and works through a pooler of
connections, which gives every transaction another session.
"""

import os
import re
import time
import zlib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass

from openbell.postgres.connection import Connection, PostgresError, Row, Value

PATIENCE = 5.0  # seconds for an answer
WAKING = "OPENBELL_DATABASE_PATIENCE"  # seconds for the first answer: a database that sleeps takes 8 to 15 to wake up
WAKING_PATIENCE = 25.0
LOCK_PATIENCE = 20.0  # seconds for a lock
LOCK_LIMIT = 15  # seconds after which a lock is free again if its holder has died
LOCK_PAUSE = 0.05  # seconds between two tries
# A row, not an advisory lock: that would keep one connection of a pool for as long as it is held, while its holder waits for
# another. Each statement here is short.
LOCKS = "CREATE TABLE IF NOT EXISTS locks (name TEXT PRIMARY KEY, owner TEXT NOT NULL, until TIMESTAMPTZ NOT NULL);"
_LOCK = (
    "INSERT INTO locks VALUES (?, ?, clock_timestamp() + ? * interval '1 second') ON CONFLICT (name) "
    "DO UPDATE SET owner = excluded.owner, until = excluded.until WHERE locks.until < clock_timestamp()"
)

# What SQLite and PostgreSQL say differently. In an upsert PostgreSQL wants to know whose column is meant.
_DIALECT = (
    ("PRAGMA", ""),
    (" WITHOUT ROWID", ""),
    ("INTEGER PRIMARY KEY", "BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY"),
    (" REAL", " DOUBLE PRECISION"),
    (" TEXT", ' TEXT COLLATE "C"'),
    ("max(until, excluded.until)", "greatest(accounted.until, excluded.until)"),
    ("quantity = quantity + excluded.quantity", "quantity = holdings.quantity + excluded.quantity"),
)
_TABLE = re.compile(r"\b(FROM|INTO|UPDATE|JOIN|TABLE IF NOT EXISTS|TABLE)\s+(?!IF\b|SET\b)([a-z]+)\b")
_INDEX = re.compile(r"(CREATE INDEX IF NOT EXISTS \w+ ON) (\w+)")


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
class _Line:
    """One process's connection to one server. A connection that a fork has copied is left alone: it is the parent's."""

    connection: Connection
    in_transaction: bool = False


_lines: dict[tuple[int, str], _Line] = {}


class Database:
    """The tables in one schema. All of a process share one connection, and one transaction at a time."""

    def __init__(self, url: str, schema: str) -> None:
        self._url = url
        self._schema = f'"{schema}"'
        self._key = zlib.crc32(schema.encode())

    @property
    def in_transaction(self) -> bool:
        """Tell whether a transaction is open."""
        line = _lines.get((os.getpid(), self._url))
        return line is not None and line.in_transaction

    def execute(self, statement: str, values: Sequence[Value] = ()) -> Rows:
        """Carry out one statement."""
        match statement:
            case "BEGIN IMMEDIATE":
                if self.in_transaction:
                    msg = "a transaction is open already"
                    raise PostgresError(msg)
                # As in SQLite there is one writer at a time, and what a transaction has read stays so until its end.
                rows = self._ask(f"BEGIN; SELECT pg_advisory_xact_lock({self._key})")
                self._line().in_transaction = True
            case "COMMIT" | "ROLLBACK":
                line, self._line().in_transaction = self._line(), False
                rows = self._ask(statement, line)
            case _:
                rows = self._ask(self._filled(statement, values))
        return rows

    def executemany(self, statement: str, rows: Iterable[Sequence[Value]]) -> None:
        """Carry out one statement for each row."""
        self._ask(b"; ".join(self._filled(statement, row) for row in rows))

    def executescript(self, script: str) -> None:
        """Make tables where they are missing, also while another process makes them."""
        quiet = "SET LOCAL client_min_messages = warning"
        made = translate(script, self._schema).strip().rstrip(";")
        schema = f"CREATE SCHEMA IF NOT EXISTS {self._schema}"
        # One key for all: the first runs of two strategies make the schema that they share.
        self._ask(f"BEGIN; {quiet}; SELECT pg_advisory_xact_lock(0); {schema}; {made}; COMMIT")

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

    def _line(self) -> _Line:
        here = (os.getpid(), self._url)
        if here not in _lines:
            _lines[here] = _Line(Connection(self._url, PATIENCE, _waking_patience()))
        return _lines[here]

    def _filled(self, statement: str, values: Sequence[Value]) -> bytes:
        # None of our statements has a question mark in a text.
        marked = translate(statement, self._schema).replace("%", "%%").replace("?", "%s")
        return self._line().connection.filled(marked, values)

    def _ask(self, text: str | bytes, line: _Line | None = None) -> Rows:
        if not text:
            return Rows([], 0)
        line = line or self._line()
        try:
            return Rows(*line.connection.run(text))
        except PostgresError:
            # What is left of a transaction must not be there for the next statement, and a broken connection neither.
            if not (line.connection.is_closed or line.in_transaction):
                with suppress(PostgresError):
                    line.connection.run("ROLLBACK")
            if line.connection.is_closed:
                self.close()
            raise


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


def translate(statement: str, schema: str) -> str:
    """Return a statement of SQLite's as PostgreSQL understands it, with its tables in `schema`."""
    if statement.startswith("PRAGMA"):
        return ""
    ignore = "INSERT OR IGNORE INTO" in statement
    for theirs, ours in _DIALECT:
        statement = statement.replace(theirs, ours)
    statement = statement.replace("INSERT OR IGNORE INTO", "INSERT INTO")
    statement = _TABLE.sub(rf"\1 {schema}.\2", statement)
    statement = _INDEX.sub(rf"\1 {schema}.\2", statement)
    return f"{statement} ON CONFLICT DO NOTHING" if ignore else statement
