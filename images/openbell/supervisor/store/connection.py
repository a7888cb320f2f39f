"""The supervisor's SQLite files: opened, brought up to date, checked for damage, and transactions on them.

A damaged file is renamed with a time stamp and reported for a day. It stays in the supervisor's folder for inspection; of each
database only the newest copies are kept.
"""

import os
import sqlite3
import stat
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from openbell.database_version import found_version
from openbell.instants import from_milliseconds, milliseconds

KEEP = 3  # copies of each database that are put aside
REPORTED_FOR = timedelta(days=1)

_STAMP = "%Y%m%dT%H%M%SZ"
_DAMAGED, _DELETED = ".damaged-", ".deleted-"
_PARTS = ("", "-wal", "-shm")  # the files of one database
_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})

READER_CACHE = 256  # KiB of pages
# How an instant becomes a column. Runs that are due together share their instants, so most are known.
instant_column = lru_cache(maxsize=256)(milliseconds)


class DamagedError(sqlite3.DatabaseError):
    """A file that is not a database of ours, or no longer the one that was opened."""


@dataclass(frozen=True)
class DamagedDatabase:
    """A database that was put aside: what is left of it, and when. is_deleted: nothing was left."""

    database: str
    file: Path
    at: datetime

    @property
    def is_deleted(self) -> bool:
        """Whether the file was deleted, so that nothing could be put aside."""
        return _DELETED in self.file.name


def is_damage(error: BaseException) -> bool:
    """Return whether an error says that the file itself is damaged, as opposed to a full disk or a missing permission."""
    if isinstance(error, DamagedError):
        return True
    code = getattr(error, "sqlite_errorcode", None)
    return isinstance(error, sqlite3.DatabaseError) and code is not None and code & 0xFF in _CODES


def put_aside(path: Path, now: datetime) -> DamagedDatabase:
    """Rename a database with its companions, or note that it was deleted; OSError if the folder cannot be written."""
    stamp = now.astimezone(UTC).strftime(_STAMP)
    left = path.exists() or path.is_symlink()
    target = path.with_name(f"{path.name}{_DAMAGED if left else _DELETED}{stamp}")
    if left:
        path.rename(target)
    else:
        target.touch()
    for part in _PARTS[1:]:
        with suppress(FileNotFoundError):
            # A companion of the old file would be applied to the new one.
            path.with_name(path.name + part).rename(target.with_name(target.name + part))
    for old in _found(path)[:-KEEP]:
        _remove(old.file)
    return DamagedDatabase(path.name, target, now)


def newest(path: Path) -> DamagedDatabase | None:
    """Return what was put aside last of a database, or None."""
    return max(_found(path), key=lambda one: one.at, default=None)


def reported(folder: Path, names: tuple[str, ...], now: datetime) -> list[DamagedDatabase]:
    """Return what must be reported now: the newest of each database that was put aside within a day."""
    found = (newest(folder / name) for name in names)
    return [one for one in found if one is not None and now - one.at < REPORTED_FOR]


def _found(path: Path) -> list[DamagedDatabase]:
    found = []
    for mark in (_DAMAGED, _DELETED):
        for file in path.parent.glob(f"{path.name}{mark}*Z"):
            with suppress(ValueError):
                at = datetime.strptime(file.name.rpartition(mark)[2], _STAMP).replace(tzinfo=UTC)
                found.append(DamagedDatabase(path.name, file, at))
    return sorted(found, key=lambda one: one.at)


def _remove(file: Path) -> None:
    for part in _PARTS:
        with suppress(OSError):
            file.with_name(file.name + part).unlink()


# How columns of these types in the schemas become values.
sqlite3.register_converter("INSTANT", lambda number: from_milliseconds(int(number)))
sqlite3.register_converter("FLAG", lambda number: number != b"0")


def open_database(
    path: Path, schema: str, version: int, *, durable: bool = False, read_only: bool = False
) -> sqlite3.Connection:
    """Return a connection to the file, with its tables made if need be.

    durable: a power cut loses nothing that was committed. sqlite3.Error if the file cannot be opened or was written by a
    newer openbell; `is_damage` says of the error whether the file itself is damaged.
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
            # A request seldom reads a page twice, and memory that a thread's requests have used is not returned.
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


def open_to_check(path: Path) -> sqlite3.Connection:
    """Return a connection that only reads, for `check`."""
    database = sqlite3.connect(f"{path.resolve().as_uri()}?mode=ro", uri=True, timeout=5, isolation_level=None)
    database.execute(f"PRAGMA cache_size = -{READER_CACHE}")
    return database


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
