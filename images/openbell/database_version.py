"""The format of an SQLite file, which is its user_version: one that a newer openbell wrote is not touched."""

import sqlite3
from pathlib import Path


def found_version(database: sqlite3.Connection, path: Path, known: int) -> int:
    """Return the file's format; sqlite3.DatabaseError if it is newer than the one that is known. Nothing is written."""
    (found,) = database.execute("PRAGMA user_version").fetchone()
    if found > known:
        msg = (
            f"{path} was written by a newer openbell (format {found}, this one knows {known}): go back to that version, or "
            "restore a backup that this one made; nothing was changed"
        )
        raise sqlite3.DatabaseError(msg)
    return int(found)
