"""The supervisor's SQLite files: how they are opened and brought up to date, and transactions on them."""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

from openbell.database_version import found_version
from openbell.instants import from_milliseconds, milliseconds
from openbell.supervisor.store.damage import DamagedError

READER_CACHE = 256  # KiB of pages

# How an instant becomes a column. Runs that are due together share their instants, so most are known.
instant_column = lru_cache(maxsize=256)(milliseconds)

# How columns of these types in the schemas become values.
sqlite3.register_converter("INSTANT", lambda number: from_milliseconds(int(number)))
sqlite3.register_converter("FLAG", lambda number: number != b"0")


def open_database(
    path: Path, schema: str, version: int, *, durable: bool = False, read_only: bool = False
) -> sqlite3.Connection:
    """Return a connection to the file, with its tables made if need be.

    durable: a power cut loses nothing that was committed. sqlite3.Error if the file cannot be opened or was written by a
    newer openbell; `damage.is_damage` says of the error whether the file itself is damaged.
    """
    for part in ("", "-wal", "-shm"):
        _check_kind(path.with_name(path.name + part))
    target = f"{path.resolve().as_uri()}?mode={'ro' if read_only else 'rwc'}"
    database = sqlite3.connect(
        target,
        uri=True,
        timeout=5,
        isolation_level=None,
        check_same_thread=False,
        detect_types=sqlite3.PARSE_DECLTYPES,
    )
    try:
        found = found_version(database, path, version)
        _check_ours(database, path, found)
        if read_only:
            database.execute("PRAGMA query_only = ON")
            # One request reads little twice, and what a thread's requests have used stays in its arena.
            database.execute(f"PRAGMA cache_size = -{READER_CACHE}")
        else:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            if found < version:
                schema = f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {version}; COMMIT;"
            # Also for a file of this version: a table may have been added without a new version.
            _make_tables(database, path, schema)
            _check_columns(database, path, schema)
    except BaseException:
        database.close()
        raise
    return database


def _check_ours(database: sqlite3.Connection, path: Path, found: int) -> None:
    # Ours get their tables and their version in one transaction.
    if not found and database.execute("SELECT count(*) FROM sqlite_master").fetchone() != (0,):
        msg = f"{path} is not one of openbell's databases"
        raise DamagedError(msg)


def check(database: sqlite3.Connection, path: Path) -> None:
    """Read the whole file; DamagedError if its pages do not fit together."""
    found = [str(line) for (line,) in database.execute("PRAGMA quick_check(1)")]
    if found != ["ok"]:
        msg = f"{path} is damaged: {found[0].splitlines()[-1] if found else 'no answer'}"
        raise DamagedError(msg)


def identity(path: Path) -> tuple[int, int] | None:
    """Return which file stands at a path, to find out later whether it is still that one; None if there is none."""
    try:
        found = os.stat(path, follow_symlinks=False)  # noqa: PTH116 - as little as possible: it is done in each step
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def check_identity(path: Path, opened: tuple[int, int] | None) -> None:
    """Raise DamagedError if the file that was opened no longer stands at its path."""
    if (found := identity(path)) != opened:
        msg = f"{path} was {'deleted' if found is None else 'replaced'} while it was in use"
        raise DamagedError(msg)


def _check_kind(path: Path) -> None:
    try:
        mode = os.stat(path, follow_symlinks=False).st_mode  # noqa: PTH116 - Path.stat of a link follows it
    except FileNotFoundError:
        return
    if not stat.S_ISREG(mode):
        msg = f"{path} is not a regular file"
        raise DamagedError(msg)


def _make_tables(database: sqlite3.Connection, path: Path, schema: str) -> None:
    try:
        database.executescript(schema)
    except sqlite3.OperationalError as error:
        if error.sqlite_errorcode != sqlite3.SQLITE_ERROR:
            raise  # a full disk, a file that is locked: nothing is wrong with what it holds
        msg = f"{path} is not one of openbell's databases: {error}"
        raise DamagedError(msg) from error


def _check_columns(database: sqlite3.Connection, path: Path, schema: str) -> None:
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as model:
        model.executescript(schema)
        for (table,) in model.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            lacking = _columns(model, table) - _columns(database, table)
            if lacking:
                msg = (
                    f"{path} is not one of openbell's databases: its table {table} has no {', '.join(sorted(lacking))}"
                )
                raise DamagedError(msg)


def _columns(database: sqlite3.Connection, table: str) -> set[str]:
    return {str(name) for (name,) in database.execute("SELECT name FROM pragma_table_info(?)", (table,))}


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Commit all that is written inside the block, or nothing if it raises."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
