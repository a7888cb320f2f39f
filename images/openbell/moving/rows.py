"""The rows of a strategy's databases, from files to schemas and back, each compared where it has arrived."""

import re
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from openbell.durable import sync
from openbell.ledger import Ledger
from openbell.ledger.records import MOVED
from openbell.paths import LEDGER as LEDGER_FILE
from openbell.postgres import tables
from openbell.postgres.connection import Row
from openbell.postgres.database import Database
from openbell.postgres.ledger import schema_of
from openbell.trading.brokers import paper, paper_tables

PIECE = 500  # rows in one exchange


class MoveError(Exception):
    """What cannot be moved; one line that says why, and what to do."""


class Part(NamedTuple):
    """One database of a strategy: a file, and a schema."""

    file: Path
    database: Database
    tables: Sequence[str]


def parts_of(url: str, strategy: str, state: Path) -> tuple[Part, Part]:
    """Return a strategy's ledger and its paper account; their tables are made where they are missing."""
    own, account = Database(url, schema_of(strategy)), Database(url, f"{schema_of(strategy)}_paper")
    own.make(tables.LEDGER + tables.LEASES)
    account.make(tables.PAPER)
    return (
        Part(state / LEDGER_FILE, own, _names(tables.LEDGER)),
        Part(state / paper.FILE, account, _names(tables.PAPER)),
    )


def _names(definitions: str) -> list[str]:
    return re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", definitions)


def is_same(part: Part, table: str) -> bool:
    """Tell whether a table's rows are those of the file."""
    with _file(part) as file:
        return file is not None and _sorted(_rows(file, table)) == _sorted(_all(part.database, table))


def fill_database(part: Part) -> int:
    """Bring a file's rows into its schema, and compare them there."""
    with _file(part) as file:
        if file is None:
            return 0
        count = 0
        for table in part.tables:
            rows = list(_rows(file, table))
            if rows and not part.database.execute(f"SELECT 1 FROM {table} LIMIT 1"):  # noqa: S608 - as above
                _insert(part.database, table, rows)
            _compare(part, table, rows, _all(part.database, table))
            count += len(rows)
        return count


def fill_file(part: Part) -> int:
    """Bring a schema's rows into a new file beside the one in use, and compare them there; no file for no row."""
    every = {table: _all(part.database, table) for table in part.tables}
    if not any(every.values()):
        return 0
    new = _new(part.file)
    _make_empty(new, part.tables)
    with closing(sqlite3.connect(new, isolation_level=None)) as file:
        file.execute("BEGIN IMMEDIATE")
        count = 0
        for table, rows in every.items():
            if rows:
                marks = ", ".join("?" * len(rows[0]))
                kept = [row for row in rows if table != "facts" or row[0] != MOVED]
                file.executemany(f"INSERT INTO {table} VALUES ({marks})", kept)  # noqa: S608 - as above
                _compare(part, table, kept, list(_rows(file, table)))
                count += len(kept)
        file.execute("COMMIT")
    return count


def _make_empty(new: Path, names: Sequence[str]) -> None:
    for left in new.parent.glob(f"{new.name}*"):
        left.unlink()
    is_ledger = "claims" in names
    if is_ledger:
        Ledger(new).close()
    else:
        paper_tables.create(new)
    with closing(sqlite3.connect(new, isolation_level=None)) as file:
        if not is_ledger:
            file.executescript(paper_tables.LATER)
        for table in names:
            file.execute(f"DELETE FROM {table}")  # noqa: S608 - as above
        # One file, which a crash finds whole when it gets its name.
        file.execute("PRAGMA journal_mode = DELETE")


def put_in_place(part: Part, at: datetime) -> None:
    """Give the new file its name; the one before is kept with the time in its name."""
    new = _new(part.file)
    if not new.exists():
        return
    sync(new)
    if part.file.exists():
        with closing(sqlite3.connect(part.file)) as old:
            old.execute("PRAGMA journal_mode = DELETE")  # what is in its log is in it
        part.file.rename(part.file.with_name(f"{part.file.name}.before-{at:%Y%m%dT%H%M%SZ}"))
    for beside in part.file.parent.glob(f"{part.file.name}-*"):
        beside.unlink()
    new.rename(part.file)


def _new(file: Path) -> Path:
    return file.with_name(f".new-{file.name}")


@contextmanager
def _file(part: Part) -> Iterator[sqlite3.Connection | None]:
    """Yield the connection to a part's file; None if there is none."""
    if not part.file.exists():
        yield None
        return
    with closing(sqlite3.connect(part.file, isolation_level=None)) as file:
        if part.file.name == paper.FILE:
            file.executescript(paper_tables.LATER)  # what an older version's account lacks
        yield file


def _rows(file: sqlite3.Connection, table: str) -> Iterator[Row]:
    yield from file.execute(f"SELECT * FROM {table}")  # noqa: S608 - as above


def _all(database: Database, table: str) -> list[Row]:
    return [tuple(row) for row in database.execute(f"SELECT * FROM {table}")]  # noqa: S608 - as above


def _insert(database: Database, table: str, rows: Sequence[Row]) -> None:
    # The paper account's orders have numbers that the database gives out otherwise.
    numbered = table == "orders" and isinstance(rows[0][0], int)
    given = " OVERRIDING SYSTEM VALUE" if numbered else ""
    statement = f"INSERT INTO {table}{given} VALUES ({', '.join('?' * len(rows[0]))})"  # noqa: S608 - as above
    for start in range(0, len(rows), PIECE):
        database.executemany(statement, rows[start : start + PIECE])
    if numbered:
        database.execute("SELECT setval(pg_get_serial_sequence('orders', 'number'), (SELECT max(number) FROM orders))")


def _compare(part: Part, table: str, wanted: Sequence[Row], found: Sequence[Row]) -> None:
    """Raise MoveError unless the same rows are on both sides."""
    ours, theirs = _sorted(wanted), _sorted(found)
    if ours != theirs:
        pairs = zip(ours, theirs, strict=False)
        first = next((f"{one!r} became {other!r}" for one, other in pairs if one != other), "")
        msg = f"{part.file}: {table}: {len(ours)} rows became {len(theirs)} {first[:200]}: nothing was moved"
        raise MoveError(msg)


def _sorted(rows: Iterable[Row]) -> list[Row]:
    return sorted(rows, key=repr)
