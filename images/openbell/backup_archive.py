"""The format of a backup: one tar.gz with everything that must outlive a machine, which is read back before it is trusted.

Each database is copied by SQLite's own backup, so the copy is consistent while everything runs. The order matters: ledgers
come before paper accounts (an order that only the broker knows is found by its id), and the supervisor's store comes before
the journals (it goes on from a place that is in them). The last member is the list of all others.
"""

import hashlib
import io
import json
import os
import sqlite3
import stat
import tarfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import closing
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from openbell import foreign_files

FORMAT = 1
ROOTS = ("state", "supervisor", "control", "journal")
LIST = "contents.json"
Contents = dict[str, dict[str, Any]]  # by name: size, sha256, and for a database the number of rows by table
# Signs of life, locks and requests mean nothing on another day; what SQLite keeps beside a database is part of its copy.
_PASSING = frozenset({"beat.json", "loop.lock", "orders.lock", "deployment.json"})
_PASSING_FOLDERS = frozenset({"streams", "requests"})
_BESIDE_DATABASE = ("-wal", "-shm", "-journal", "-synced")
_SQLITE = b"SQLite format 3\0"
_PIECE = 1 << 20


class BackupError(Exception):
    """A backup that cannot be made, or is none that can be used; one line."""


def write(output: BinaryIO, roots: Mapping[str, Path], scratch: Path, at: datetime, *, as_is: bool = False) -> Contents:
    """Write a backup of these folders, by the names in ROOTS, and return its list. scratch: an existing folder for one copy of a database at a time.

    as_is: nothing runs, and the files are to be kept as they are, damaged ones too.
    """
    contents: Contents = {}
    with tarfile.open(fileobj=output, mode="w|gz") as archive:
        for root in (one for one in ROOTS if one in roots):
            for path in _files(roots[root], as_is=as_is):
                name = f"{root}/{path.relative_to(roots[root]).as_posix()}"
                try:
                    with foreign_files.opened(path, roots[root]) as file:
                        start = file.read(len(_SQLITE))
                        file.seek(0)
                        if start and path.suffix == ".sqlite" and start != _SQLITE and not as_is:
                            msg = f"{name} is damaged: it is not an SQLite database any more"
                            raise BackupError(msg)
                        if start == _SQLITE and not as_is:
                            contents[name] = _add_database(archive, name, path, scratch)
                        else:
                            contents[name] = _add(archive, name, file, _whole_lines(file, path))
                except FileNotFoundError:
                    continue  # a journal that was pruned meanwhile
        text = json.dumps({"format": FORMAT, "made_at": at.isoformat(), "files": contents}, indent=1).encode()
        _add(archive, LIST, io.BytesIO(text), len(text))
    return contents


def _files(root: Path, *, as_is: bool) -> Iterator[Path]:
    """Yield the files to keep, in order; links are none."""
    for folder, below, names in os.walk(root):
        below[:] = sorted(name for name in below if not name.startswith(".") and name not in _PASSING_FOLDERS)
        for name in sorted(names):
            path = Path(folder, name)
            beside = not as_is and name.endswith(_BESIDE_DATABASE)
            if name not in _PASSING and not name.startswith(".") and not beside and stat.S_ISREG(path.lstat().st_mode):
                yield path


def _whole_lines(file: BinaryIO, path: Path) -> int:
    """Return how much of a file to copy: of a journal, which may be growing, all lines that are whole."""
    size = os.fstat(file.fileno()).st_size
    if path.suffix != ".jsonl" or not size:
        return size
    at = max(0, size - _PIECE)
    file.seek(at)
    end = file.read(size - at).rfind(b"\n")
    file.seek(0)
    return at + end + 1 if end >= 0 or at == 0 else size


def _add_database(archive: tarfile.TarFile, name: str, path: Path, scratch: Path) -> dict[str, Any]:
    copy = scratch / "copy.sqlite"
    try:
        with (
            closing(sqlite3.connect(f"{path.as_uri()}?mode=rw", uri=True, timeout=30)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # so that the copy is one file
        tables = _tables(copy, name)
        with copy.open("rb") as file:
            return {**_add(archive, name, file, copy.stat().st_size), "tables": tables}
    except sqlite3.Error as error:
        msg = f"{path} cannot be copied: {error}"
        raise BackupError(msg) from None
    finally:
        copy.unlink(missing_ok=True)


def _tables(path: Path, name: str) -> dict[str, int]:
    """Return the number of rows by table of a database that is whole; BackupError if it is not."""
    try:
        with closing(sqlite3.connect(path)) as database:
            (found,) = database.execute("PRAGMA integrity_check(1)").fetchone()
            if found != "ok":
                msg = f"{name} is damaged: {found}"
                raise BackupError(msg)
            names = [
                row[0]
                for row in database.execute(
                    "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
                )
            ]
            quoted = {one: one.replace('"', '""') for one in names}
            return {one: database.execute(f'SELECT COUNT(*) FROM "{quoted[one]}"').fetchone()[0] for one in names}  # noqa: S608 - quoted
    except sqlite3.Error as error:
        msg = f"{name} is damaged: {error}"
        raise BackupError(msg) from None


class _Hashed:
    """A file that counts and hashes what is read of it."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self.digest, self.size = file, hashlib.sha256(), 0

    def read(self, size: int = -1) -> bytes:
        piece = self._file.read(size)
        self.digest.update(piece)
        self.size += len(piece)
        return piece


def _add(archive: tarfile.TarFile, name: str, file: BinaryIO, size: int) -> dict[str, Any]:
    about = tarfile.TarInfo(name)
    about.size, about.mode = size, 0o600
    read = _Hashed(file)
    try:
        archive.addfile(about, read)
    except OSError as error:
        if file.seekable() and read.size < size:
            msg = f"{name} became shorter while it was read: try again"
            raise BackupError(msg) from error
        raise
    return {"size": size, "sha256": read.digest.hexdigest()}


def extract(source: BinaryIO, into: Mapping[str, Path]) -> Contents:
    """Write a backup's files below these folders, and return its list; BackupError if anything is not as it was written."""
    found: Contents = {}
    said: dict[str, Any] = {}
    try:
        with tarfile.open(fileobj=source, mode="r|gz") as archive:
            for member in archive:
                file = archive.extractfile(member) if member.isreg() else None
                if file is None or said:
                    msg = f"it holds {member.name!r}, which no backup does"
                    raise BackupError(msg)
                if member.name == LIST:
                    said = json.loads(file.read())
                else:
                    found[member.name] = _copy(_Hashed(file), _path(member.name, into))  # type: ignore[arg-type] # as above
    except (tarfile.TarError, EOFError, zlib.error, OSError, ValueError) as error:
        if isinstance(error, OSError) and error.errno:
            raise  # of the disk that is written to
        msg = f"it is not a backup of openbell, or it is damaged ({error})"
        raise BackupError(msg) from None
    if not said:
        msg = "it is damaged or cut off: its list is missing"
        raise BackupError(msg)
    if said.get("format") != FORMAT:
        msg = f"it has format {said.get('format')}, and this openbell knows {FORMAT}: use the version that made it"
        raise BackupError(msg)
    return _verified(found, said["files"], into)


def _path(name: str, into: Mapping[str, Path]) -> Path:
    root, *parts = PurePosixPath(name).parts
    if root not in into or not parts or ".." in parts or PurePosixPath(name).is_absolute():
        msg = f"it holds {name!r}, which no backup does"
        raise BackupError(msg)
    return into[root].joinpath(*parts)


def _copy(file: _Hashed, path: Path) -> dict[str, Any]:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as target:
        while piece := file.read(_PIECE):
            target.write(piece)
        target.flush()
        os.fsync(target.fileno())
    return {"size": file.size, "sha256": file.digest.hexdigest()}


def _verified(found: Contents, said: Contents, into: Mapping[str, Path]) -> Contents:
    for name in sorted(found.keys() ^ said.keys()):
        msg = f"{name} is not in both its list and its files"
        raise BackupError(msg)
    for name, about in said.items():
        if found[name] != {"size": about["size"], "sha256": about["sha256"]}:
            msg = f"{name} is not as it was written"
            raise BackupError(msg)
        if "tables" in about and _tables(_path(name, into), name) != about["tables"]:
            msg = f"{name} does not have the rows that it had"
            raise BackupError(msg)
    return said


def summary(contents: Contents) -> str:
    """Say what a backup holds."""
    databases = sum("tables" in about for about in contents.values())
    strategies = {name.split("/")[1] for name in contents if name.startswith("state/")}
    size = sum(about["size"] for about in contents.values())
    return f"{len(contents)} files of {len(strategies)} strategies, {databases} databases, {size / 1e6:.1f} MB"
