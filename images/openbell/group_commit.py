"""Durable commits that share their syncs: what several processes have written to one database reaches the disk together.

SQLite's own way (`synchronous = FULL`) syncs while it holds the write lock, so on a slow disk every writer waits for each
one before it. Here a commit only writes (`synchronous = NORMAL`, write-ahead log), and `sync` then returns once a sync of
that log that began after the commit has ended, whichever process made it. A power cut loses nothing that `sync` has
returned for, and breaks nothing: the log has checksums.
"""

import contextlib
import fcntl
import os
import sqlite3
import struct
import time
from collections.abc import Callable, Iterator
from pathlib import Path

PATIENCE = 10.0  # seconds for another process to sync, after which this one does so itself
POLL = 0.002  # seconds between two checks of whether it has
_RECORD = struct.Struct("=16s q q q")  # the boot, the log's device and inode, and when its last sync began
_Record = tuple[bytes, int, int, int]


def use_group_commit(database: sqlite3.Connection) -> None:
    """Let the connection's commits return before they are durable: each must be followed by `GroupCommit.sync`."""
    database.execute("PRAGMA journal_mode = WAL")
    # SQLite still syncs where the order of writes matters, at checkpoints and when the log begins anew.
    database.execute("PRAGMA synchronous = NORMAL")


class GroupCommit:
    """Syncs the write-ahead log of one database for all processes of this machine that have it open."""

    def __init__(self, database: Path) -> None:
        self._log = database.with_name(f"{database.name}-wal")
        self._shared = database.with_name(f"{database.name}-synced")

    def sync(self) -> None:
        """Return once everything that was committed before the call is durable; sqlite3.OperationalError if that fails."""
        try:
            self._sync(time.monotonic_ns())
        except OSError as error:
            msg = f"{self._log}: what was committed could not be synced: {error.strerror}"
            raise sqlite3.OperationalError(msg) from error

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Let no other process do the same meanwhile, if those before it are done within some seconds."""
        with self._opened() as shared:
            if shared is not None:
                _lock(shared, lambda: False)
            yield

    @contextlib.contextmanager
    def _opened(self) -> Iterator[int | None]:
        """Yield the file that the processes share, or None; closing it frees its lock."""
        shared = None
        with contextlib.suppress(OSError):  # a full disk, or another user's: each process works for itself
            self._shared.parent.mkdir(parents=True, exist_ok=True)
            shared = os.open(self._shared, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o660)
        try:
            yield shared
        finally:
            if shared is not None:
                os.close(shared)

    def _sync(self, committed: int) -> None:
        try:
            log = os.open(self._log, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
        except FileNotFoundError:
            return  # SQLite has moved it into the database, and synced that
        try:
            with self._opened() as shared:
                status = os.fstat(log)
                key = (_BOOT, status.st_dev, status.st_ino)

                def is_synced() -> bool:
                    *synced, began = _read(shared)
                    return tuple(synced) == key and began > committed

                is_locked = shared is not None and _lock(shared, is_synced)
                if not is_synced():
                    self._sync_log(log, key, shared if is_locked else None)
        finally:
            os.close(log)

    def _sync_log(self, log: int, key: tuple[bytes, int, int], shared: int | None) -> None:
        began = time.monotonic_ns()
        os.fdatasync(log)
        *synced, _ = _read(shared)
        if tuple(synced) != key:  # the log is new: its name must survive as well
            folder = os.open(self._log.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        if shared is not None:
            os.pwrite(shared, _RECORD.pack(*key, began), 0)


def _lock(file: int, is_needless: Callable[[], bool]) -> bool:
    """Lock the file until it is closed; False if that became needless, or if it was not free in time.

    A process may be stopped in the middle of a sync. Between two syncs the lock is free for a moment only, so those whose
    commit was synced must not wait for it.
    """
    end = time.monotonic() + PATIENCE
    while not is_needless() and time.monotonic() < end:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(POLL)
        else:
            return True
    return False


def _read(shared: int | None) -> _Record:
    content = os.pread(shared, _RECORD.size, 0) if shared is not None else b""
    return _RECORD.unpack(content) if len(content) == _RECORD.size else (b"", 0, 0, 0)


def _boot() -> bytes:
    """Return what tells this boot, and this machine's steady clock, from others."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip().replace("-", "")
        return bytes.fromhex(boot)[:8] + Path("/proc/self/ns/time").stat().st_ino.to_bytes(8, "big")
    except (OSError, ValueError):
        return os.urandom(16)  # no other process is believed


_BOOT = _boot()
