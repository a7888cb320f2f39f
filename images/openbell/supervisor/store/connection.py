"""The supervisor's SQLite files: how they are opened and brought up to date, and transactions on them."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from openbell.database_version import found_version
from openbell.instants import from_milliseconds

# How columns of these types in the schemas become values.
sqlite3.register_converter("INSTANT", lambda number: from_milliseconds(int(number)))
sqlite3.register_converter("FLAG", lambda number: number != b"0")


def open_database(
    path: Path, schema: str, version: int, *, durable: bool = False, read_only: bool = False
) -> sqlite3.Connection:
    """Return a connection to the file, with its tables made if need be.

    durable: a power cut loses nothing that was committed. sqlite3.Error if the file cannot be opened or was written by a
    newer openbell.
    """
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
        if read_only:
            database.execute("PRAGMA query_only = ON")
        else:
            database.execute("PRAGMA journal_mode = WAL")
            database.execute(f"PRAGMA synchronous = {'FULL' if durable else 'NORMAL'}")
            if found < version:
                schema = f"BEGIN IMMEDIATE; {schema} PRAGMA user_version = {version}; COMMIT;"
            # Also for a file of this version: a table may have been added without a new version.
            database.executescript(schema)
    except BaseException:
        database.close()
        raise
    return database


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
