"""Where backups are kept: a file, a folder, or what restic or rclone reach. What they keep is read back there."""

import hashlib
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Protocol

from deploy import processes, scratch
from deploy.errors import CommandError
from deploy.processes import Command
from deploy.settings import values

RESTIC, RCLONE = "restic:", "rclone:"


class BackupPlace(Protocol):
    """Where backups of one installation go."""

    @property
    def scratch(self) -> Path | None:
        """Where a backup is written before it is complete; None is a folder for passing files."""

    def keep(self, part: Path) -> str:
        """Keep a complete backup, and return how it is called; CommandError if it cannot be read back as it is."""

    def prune(self, count: int) -> list[str]:
        """Remove all but the newest, and return how those that were removed were called."""


def place(text: str, installation: str, stamp: str) -> BackupPlace:
    """Return the place that TO= names. installation: whose backups these are; stamp: their time, by which they are in order."""
    if text.startswith(RESTIC):
        return Restic(text.removeprefix(RESTIC), installation)
    if text.startswith(RCLONE):
        return Rclone(text.removeprefix(RCLONE).rstrip("/"), installation, stamp)
    path = Path(text).expanduser()
    if path.is_dir():
        return Files(path, f"{installation}-{stamp}.tar.gz", installation)
    return Files(path.parent, path.name)


@contextmanager
def fetched(text: str) -> Iterator[Path]:
    """Give the backup that FROM= names as a file; of a repository of restic the newest."""
    if not text.startswith((RESTIC, RCLONE)):
        file = Path(text).expanduser()
        if not file.is_file():
            msg = f"FROM=: there is no file {file}"
            raise CommandError(msg, 2)
        yield file
        return
    with scratch.folder() as folder:
        file = folder / "openbell.tar.gz"
        words = Restic(text.removeprefix(RESTIC)).newest() if text.startswith(RESTIC) else _cat(text[len(RCLONE) :])
        with file.open("wb") as target:
            _run(words, target=target)
        yield file


@dataclass(frozen=True)
class Files:
    """A file, which is replaced; or with a prefix one of many in a folder."""

    scratch: Path
    name: str
    prefix: str = ""

    def keep(self, part: Path) -> str:
        """Give it its name: it was read back where it is."""
        part.rename(self.scratch / self.name)
        return str(self.scratch / self.name)

    def prune(self, count: int) -> list[str]:
        """Delete the oldest; files with other names are left alone."""
        found = (path.name for path in self.scratch.iterdir() if path.is_file())
        old = [self.scratch / name for name in _old(found, self.prefix, count)]
        for path in old:
            path.unlink(missing_ok=True)
        return [str(path) for path in old]


@dataclass(frozen=True)
class Restic:
    """A repository of restic, in which each backup is a snapshot with two tags: openbell's, and whose it is."""

    repository: str
    installation: str = ""
    scratch: Path | None = None

    def keep(self, part: Path) -> str:
        """Add a snapshot, and compare what the repository gives back."""
        with part.open("rb") as source:
            options = ("--tag", f"openbell,{self.installation}", "--stdin", "--stdin-filename", "openbell.tar.gz")
            _run(self._restic("backup", "--quiet", *options), source=source)
        _must_be_as_written(part, self.newest(), self.repository)
        return f"a snapshot in {self.repository}"

    def prune(self, count: int) -> list[str]:
        """Forget the oldest snapshots."""
        kept = ("--tag", f"openbell,{self.installation}", "--group-by", "tags", "--keep-last", str(count))
        _run(self._restic("forget", "--quiet", "--prune", *kept))
        return []

    def newest(self) -> tuple[str, ...]:
        """Return the command that prints the newest backup."""
        tags = ",".join(filter(None, ("openbell", self.installation)))
        return self._restic("dump", "--tag", tags, "latest", "/openbell.tar.gz")

    def _restic(self, *words: str) -> tuple[str, ...]:
        return ("restic", "--repo", self.repository, *words)


@dataclass(frozen=True)
class Rclone:
    """A folder that rclone reaches."""

    folder: str
    prefix: str
    stamp: str
    scratch: Path | None = None

    def keep(self, part: Path) -> str:
        """Copy it there, and compare what comes back."""
        there = f"{self.folder}/{self.prefix}-{self.stamp}.tar.gz"
        _run(("rclone", "copyto", str(part), there))
        _must_be_as_written(part, _cat(there), there)
        return there

    def prune(self, count: int) -> list[str]:
        """Delete the oldest."""
        listed = _run(("rclone", "lsf", "--files-only", self.folder)).splitlines()
        old = [f"{self.folder}/{name}" for name in _old(listed, self.prefix, count)]
        for one in old:
            _run(("rclone", "deletefile", one))
        return old


def _old(names: Iterable[str], prefix: str, count: int) -> list[str]:
    """Return the names of the backups of one installation that are older than the newest `count`."""
    ours = re.compile(rf"{re.escape(prefix)}-\d{{8}}T\d{{6}}Z\.tar\.gz")
    return sorted(name for name in names if ours.fullmatch(name))[:-count]


def _cat(path: str) -> tuple[str, ...]:
    return ("rclone", "cat", path)


def _must_be_as_written(part: Path, read: tuple[str, ...], where: str) -> None:
    with TemporaryFile() as copy, part.open("rb") as written:
        _run(read, target=copy)
        copy.seek(0)
        if hashlib.file_digest(copy, "sha256").digest() != hashlib.file_digest(written, "sha256").digest():
            msg = f"{where}: the backup that was read back from there is not the one that was written; no older one was removed"
            raise CommandError(msg)


def _run(words: tuple[str, ...], source: BinaryIO | None = None, target: BinaryIO | None = None) -> str:
    try:
        done = processes.piped(Command(words, values(Path(".env"), os.environ)), source, target)
    except CommandError:
        msg = f"{words[0]} is not installed: install it with the system's packages, or name a folder"
        raise CommandError(msg) from None
    if done.code:
        lines = [line.strip() for line in done.errors.splitlines() if line.strip()]
        msg = f"{words[0]} failed: {lines[-1] if lines else f'exit code {done.code}'}"
        raise CommandError(msg)
    return done.text
