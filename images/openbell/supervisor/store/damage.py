"""Damaged databases: they are recognised, put aside under a name with a time stamp, and told about for a day.

What is put aside stays in the supervisor's folder for inspection; the newest of each database are kept.
"""

import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

KEEP = 3  # copies of each database that are put aside
REPORTED_FOR = timedelta(days=1)

_STAMP = "%Y%m%dT%H%M%SZ"
_DAMAGED, _DELETED = ".damaged-", ".deleted-"
_PARTS = ("", "-wal", "-shm")  # the files of one database
_CODES = frozenset({sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB})


class DamagedError(sqlite3.DatabaseError):
    """A file that is no database of ours, or no longer the one that was opened."""


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
    """Return what must be told of now: the newest of each database that was put aside within a day."""
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
