"""The store's file: opened with what SQLite has to know of it, made or carried over if need be."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openbell.supervisor.model.instants import from_milliseconds
from openbell.supervisor.store.schema import SCHEMA, VERSION

# How the columns of these types in schema.py become values.
sqlite3.register_converter("INSTANT", lambda number: from_milliseconds(int(number)))
sqlite3.register_converter("FLAG", lambda number: number != b"0")


def opened(path: Path, *, read_only: bool) -> sqlite3.Connection:
    """Return the open file; sqlite3.Error if that cannot be done."""
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
        if read_only:
            database.execute("PRAGMA query_only = ON")
        else:
            _prepare(database, path)
    except BaseException:
        database.close()
        raise
    return database


def _prepare(database: sqlite3.Connection, path: Path) -> None:
    (version,) = database.execute("PRAGMA user_version").fetchone()
    if version > VERSION:
        msg = f"{path} was written by a newer openbell (format {version}, this one knows {VERSION}): update, or remove the file"
        raise sqlite3.DatabaseError(msg)
    database.execute("PRAGMA journal_mode = WAL")
    # A power cut may take the last moments with it: the positions go with them, and the journal is read again.
    database.execute("PRAGMA synchronous = NORMAL")
    database.executescript(SCHEMA)
    database.execute(f"PRAGMA user_version = {VERSION}")


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Keep all that is written within, or nothing of it."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        if database.in_transaction:
            database.execute("ROLLBACK")
        raise
