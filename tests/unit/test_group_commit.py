"""Commits of several processes that share their syncs."""

import fcntl
import multiprocessing
import os
import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from openbell import group_commit
from openbell.group_commit import GroupCommit, use_group_commit

PROCESSES = 12
SYNC = 0.1  # seconds


@pytest.fixture
def database(tmp_path: Path) -> Iterator[sqlite3.Connection]:
    """Give a database with one table."""
    connection = opened(tmp_path)
    connection.execute("CREATE TABLE rows (number INTEGER)")
    yield connection
    connection.close()


@pytest.fixture
def syncs(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Give the names of the files that are synced from now on."""
    found: list[str] = []
    real = os.fdatasync

    def sync(file: int) -> None:
        found.append(Path(f"/proc/self/fd/{file}").readlink().name)
        real(file)

    monkeypatch.setattr(os, "fdatasync", sync)
    return found


def opened(folder: Path) -> sqlite3.Connection:
    """Return a connection in group commit."""
    connection = sqlite3.connect(folder / "rows.sqlite", timeout=10, isolation_level=None)
    use_group_commit(connection)
    return connection


def test_a_commit_is_synced_once(database: sqlite3.Connection, tmp_path: Path, syncs: list[str]) -> None:
    """The log is what is synced; without a commit in between nothing more is owed to another process."""
    database.execute("INSERT INTO rows VALUES (1)")
    GroupCommit(tmp_path / "rows.sqlite").sync()
    assert syncs == ["rows.sqlite-wal"]


def test_a_sync_that_began_before_the_commit_does_not_count(
    database: sqlite3.Connection, tmp_path: Path, syncs: list[str]
) -> None:
    """Each commit is followed by a sync that began after it."""
    group = GroupCommit(tmp_path / "rows.sqlite")
    for number in range(3):
        database.execute("INSERT INTO rows VALUES (?)", (number,))
        group.sync()
    assert len(syncs) == 3


def test_what_was_synced_is_in_the_files(database: sqlite3.Connection, tmp_path: Path) -> None:
    """A copy of database and log, as a power cut leaves them, has the row; the index beside them is made anew."""
    database.execute("INSERT INTO rows VALUES (7)")
    GroupCommit(tmp_path / "rows.sqlite").sync()
    after = tmp_path / "after"
    after.mkdir()
    for name in ("rows.sqlite", "rows.sqlite-wal"):
        shutil.copy(tmp_path / name, after / name)
    connection = opened(after)
    assert connection.execute("SELECT number FROM rows").fetchall() == [(7,)]
    connection.close()


@pytest.mark.usefixtures("database")
def test_processes_share_syncs(tmp_path: Path) -> None:
    """On a slow disk a dozen commits at once take about two syncs, not twelve, and each returns after a sync of its own rows."""
    context = multiprocessing.get_context("fork")
    start, done = context.Barrier(PROCESSES), context.SimpleQueue()
    processes = [context.Process(target=_commit, args=(tmp_path, number, start, done)) for number in range(PROCESSES)]
    for process in processes:
        process.start()
    synced = sum(done.get() for _ in processes)
    for process in processes:
        process.join()
    assert synced <= PROCESSES / 2
    connection = opened(tmp_path)
    assert connection.execute("SELECT count(*) FROM rows").fetchone() == (PROCESSES,)
    connection.close()


def _commit(folder: Path, number: int, start: "Callable[..., object]", done: "Callable[..., object]") -> None:
    made = 0

    def slow(file: int) -> None:
        nonlocal made
        made += 1
        time.sleep(SYNC)
        real(file)

    real, os.fdatasync = os.fdatasync, slow  # type: ignore[assignment] # in a process of its own
    connection = opened(folder)
    start.wait()  # type: ignore[attr-defined]
    connection.execute("INSERT INTO rows VALUES (?)", (number,))
    GroupCommit(folder / "rows.sqlite").sync()
    done.put(made)  # type: ignore[attr-defined]


def test_a_process_that_is_stopped_while_it_syncs_holds_up_no_other(
    database: sqlite3.Connection, tmp_path: Path, syncs: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """After some seconds the others sync for themselves."""
    monkeypatch.setattr(group_commit, "PATIENCE", 0.05)
    with (tmp_path / "rows.sqlite-synced").open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        database.execute("INSERT INTO rows VALUES (1)")
        GroupCommit(tmp_path / "rows.sqlite").sync()
    assert syncs == ["rows.sqlite-wal"]


def test_what_another_boot_synced_is_not_believed(
    database: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a boot the steady clock begins anew: a larger time from the earlier boot proves no sync."""
    group = GroupCommit(tmp_path / "rows.sqlite")
    monkeypatch.setattr(group_commit, "_BOOT", b"the boot before!")
    later = time.monotonic_ns() + 10**15
    monkeypatch.setattr(time, "monotonic_ns", lambda: later)
    group.sync()
    monkeypatch.undo()
    again: list[int] = []
    monkeypatch.setattr(os, "fdatasync", again.append)
    database.execute("INSERT INTO rows VALUES (1)")
    group.sync()
    assert len(again) == 1


@pytest.mark.parametrize("content", [b"", b"torn", b"\xff" * 40, b"\xff" * 400])
def test_a_damaged_record_means_a_sync(
    database: sqlite3.Connection, tmp_path: Path, syncs: list[str], content: bytes
) -> None:
    """What is written there is only ever a reason not to sync; what cannot be read is none."""
    (tmp_path / "rows.sqlite-synced").write_bytes(content)
    database.execute("INSERT INTO rows VALUES (1)")
    GroupCommit(tmp_path / "rows.sqlite").sync()
    assert syncs == ["rows.sqlite-wal"]


def test_without_room_for_the_record_each_process_syncs_for_itself(
    database: sqlite3.Connection, tmp_path: Path, syncs: list[str]
) -> None:
    """A full disk, or another user's file: the commit is durable all the same."""
    (tmp_path / "rows.sqlite-synced").mkdir()
    database.execute("INSERT INTO rows VALUES (1)")
    GroupCommit(tmp_path / "rows.sqlite").sync()
    assert syncs == ["rows.sqlite-wal"]


def test_a_log_that_is_gone_has_been_synced(database: sqlite3.Connection, tmp_path: Path, syncs: list[str]) -> None:
    """The last connection to close moves the log into the database."""
    database.execute("INSERT INTO rows VALUES (1)")
    database.close()
    GroupCommit(tmp_path / "rows.sqlite").sync()
    assert syncs == []


def test_a_sync_that_fails_is_the_databases_error(
    database: sqlite3.Connection, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A commit that may not be durable is not reported as one."""

    def fails(_: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails)
    database.execute("INSERT INTO rows VALUES (1)")
    with pytest.raises(sqlite3.OperationalError, match=r"rows.sqlite-wal: .* could not be synced: Input/output error"):
        GroupCommit(tmp_path / "rows.sqlite").sync()
