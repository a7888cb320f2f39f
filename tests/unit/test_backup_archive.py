"""A backup holds all that must outlive a machine, is consistent while everything runs, and is read back before it is trusted."""

import fcntl
import io
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import backup_archive, control
from openbell.backup_archive import BackupError
from openbell.ledger import Ledger

ROOT = Path(__file__).parents[2]
WRITTEN = ROOT / "tests" / "fixtures" / "version-0.1.0"
LEDGER = "state/trader/ledger.sqlite"
NOW = datetime(2026, 11, 26, 20, 58, tzinfo=UTC)


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Return the data folder of an installation."""
    folder = tmp_path / "data"
    for root in backup_archive.ROOTS:
        shutil.copytree(WRITTEN / root, folder / root)
    return folder


def roots(data: Path) -> dict[str, Path]:
    """Return the parts of a data folder."""
    return {root: data / root for root in backup_archive.ROOTS}


def written(data: Path) -> bytes:
    """Return a backup."""
    output = io.BytesIO()
    backup_archive.write(output, roots(data), data, NOW)
    return output.getvalue()


def test_what_is_restored_is_what_was_there(data: Path, tmp_path: Path) -> None:
    """Ledgers, accounts, store, pauses, the halt and journals; neither locks nor signs of life."""
    (data / "state" / "trader" / "loop.lock").write_text("process 1 on x")
    found = backup_archive.extract(io.BytesIO(written(data)), roots(tmp_path / "new"))

    assert sorted(found) == [
        "control/halt.json",
        "control/trader/paused/buyer.json",
        "journal/trader/2026-11-26.jsonl",
        "state/trader/account.told",
        "state/trader/ledger.sqlite",
        "state/trader/paper.sqlite",
        "supervisor/alerts.sqlite",
        "supervisor/supervisor.sqlite",
    ]
    with closing(Ledger(tmp_path / "new" / LEDGER)) as ledger:
        assert ledger.holdings() == {"AAPL": 18.0, "IBM": 7.5}
    assert control.halted(tmp_path / "new" / "control") == control.halted(data / "control")
    journal = "journal/trader/2026-11-26.jsonl"
    assert (tmp_path / "new" / journal).read_bytes() == (data / journal).read_bytes()


def test_a_copy_is_consistent_while_the_ledger_is_written(data: Path, tmp_path: Path) -> None:
    """Two rows that are always written together are never found apart, also with what is still in the log beside the file."""
    done = threading.Event()
    with closing(sqlite3.connect(data / LEDGER)) as ledger:
        ledger.execute("CREATE TABLE pairs (one INTEGER)")
        ledger.commit()

    def write() -> None:
        with closing(sqlite3.connect(data / LEDGER, timeout=30)) as ledger:
            while not done.is_set():
                ledger.executemany("INSERT INTO pairs VALUES (?)", [(1,), (2,)])
                ledger.commit()

    writer = threading.Thread(target=write)
    writer.start()
    try:
        backups = [written(data) for _ in range(5)]
    finally:
        done.set()
        writer.join()
    counts = [
        backup_archive.extract(io.BytesIO(one), roots(tmp_path / str(number)))[LEDGER]["tables"]["pairs"]
        for number, one in enumerate(backups)
    ]
    assert [count % 2 for count in counts] == [0] * 5
    assert counts[-1] > 0


def test_a_line_that_is_being_written_is_left_out(data: Path, tmp_path: Path) -> None:
    """A journal ends with a whole line."""
    path = "journal/trader/2026-11-26.jsonl"
    before = (data / path).read_bytes()
    with (data / path).open("ab") as file:
        file.write(b'{"timestamp": "2026-')
    backup_archive.extract(io.BytesIO(written(data)), roots(tmp_path / "new"))
    assert (tmp_path / "new" / path).read_bytes() == before


@pytest.mark.parametrize(
    "damage,expected",
    [
        (lambda content: content[: len(content) // 2], "damaged|cut off"),
        (lambda _: b"", "not a backup of openbell"),
        (lambda _: b"no archive at all", "not a backup of openbell"),
        (lambda content: content[:3000] + bytes([content[3000] ^ 1]) + content[3001:], "damaged|not as it was written"),
    ],
)
def test_a_damaged_backup_is_refused(
    data: Path, tmp_path: Path, damage: Callable[[bytes], bytes], expected: str
) -> None:
    """Nothing that was cut off, changed or never was a backup passes."""
    with pytest.raises(BackupError, match=expected):
        backup_archive.extract(io.BytesIO(damage(written(data))), roots(tmp_path / "new"))


def test_a_damaged_ledger_makes_no_backup_but_can_be_kept_as_it_is(data: Path, tmp_path: Path) -> None:
    """A backup that could not be used is none; what a restore replaces is kept whatever its state."""
    content = bytearray((data / LEDGER).read_bytes())
    content[4096:12288] = b"\xff" * 8192
    (data / LEDGER).write_bytes(content)
    with pytest.raises(BackupError, match=r"ledger\.sqlite"):
        written(data)

    output = io.BytesIO()
    backup_archive.write(output, roots(data), data, NOW, as_is=True)
    backup_archive.extract(io.BytesIO(output.getvalue()), roots(tmp_path / "new"))
    assert (tmp_path / "new" / LEDGER).read_bytes() == bytes(content)


def make(data: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """Run what `make backup` and `make restore` run, for plain processes."""
    environment = {
        **os.environ,
        "ENGINE": "none",
        "OPENBELL_DATA": str(data),
        "COMPOSE_PROJECT_NAME": "openbell-test-backup",
    }
    command = (sys.executable, "-m", "deploy", *words)
    return subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("content", [b"\0" * 4096, b"not a database", b"S"])
def test_a_ledger_that_was_overwritten_makes_no_backup(data: Path, content: bytes) -> None:
    """Without its header it is not taken for an ordinary file: the good backups before it must not be pruned for this one."""
    (data / LEDGER).write_bytes(content)
    with pytest.raises(
        BackupError, match=r"^state/trader/ledger.sqlite is damaged: it is not an SQLite database any more$"
    ):
        written(data)


def test_make_restore_brings_back_what_make_backup_wrote(data: Path, tmp_path: Path) -> None:
    """The file is whole and the owner's alone; what was there before the restore is kept beside it."""
    file = tmp_path / "backup.tar.gz"
    done = make(data, "backup", f"TO={file}")
    assert (done.returncode, done.stderr) == (0, "")
    assert "8 files of 1 strategies, 4 databases" in done.stdout
    assert file.stat().st_mode & 0o777 == 0o600
    with closing(sqlite3.connect(data / LEDGER)) as ledger:
        ledger.execute("DELETE FROM holdings")
        ledger.commit()
    (data / "state" / "later").mkdir()

    done = make(data, "restore", f"FROM={file}")
    assert (done.returncode, done.stderr) == (0, "")
    with closing(Ledger(data / LEDGER)) as ledger:
        assert ledger.holdings() == {"AAPL": 18.0, "IBM": 7.5}
    assert sorted(path.name for path in (data / "state").iterdir()) == ["trader"]
    (kept,) = tmp_path.glob("backup.tar.gz.before-*")
    backup_archive.extract(io.BytesIO(kept.read_bytes()), roots(tmp_path / "kept"))
    with closing(sqlite3.connect(tmp_path / "kept" / LEDGER)) as ledger:
        assert ledger.execute("SELECT COUNT(*) FROM holdings").fetchone() == (0,)


def test_backups_to_a_folder_are_pruned_to_the_newest(data: Path, tmp_path: Path) -> None:
    """The new one is read back first; a file with another name is left alone, however old."""
    folder = tmp_path / "backups"
    folder.mkdir()
    for name in ("openbell-20250101T000000Z.tar.gz", "openbell-20260101T000000Z.tar.gz", "mine.tar.gz"):
        (folder / name).write_bytes(b"old")

    done = make(data, "backup", f"TO={folder}", "KEEP=2")

    assert done.returncode == 0, done.stderr
    (new,) = set(folder.glob("openbell-*T*Z.tar.gz")) - {folder / "openbell-20260101T000000Z.tar.gz"}
    assert sorted(path.name for path in folder.iterdir()) == [
        "mine.tar.gz",
        "openbell-20260101T000000Z.tar.gz",
        new.name,
    ]
    assert f"wrote {new}" in done.stdout
    assert "deleted" in done.stdout


def test_a_backup_that_fails_prunes_nothing(data: Path, tmp_path: Path) -> None:
    """The old backups are all there is."""
    folder = tmp_path / "backups"
    folder.mkdir()
    (folder / "openbell-20250101T000000Z.tar.gz").write_bytes(b"old")
    (folder / "openbell-20260101T000000Z.tar.gz").write_bytes(b"old")
    (data / LEDGER).write_bytes((data / LEDGER).read_bytes()[:8192])

    assert make(data, "backup", f"TO={folder}", "KEEP=1").returncode == 1
    assert len(list(folder.iterdir())) == 2


def test_a_restore_is_refused_while_a_loop_runs(data: Path, tmp_path: Path) -> None:
    """Nothing changes under a strategy that runs, and the line says what to do."""
    file = tmp_path / "backup.tar.gz"
    file.write_bytes(written(data))
    lock = data / "state" / "trader" / "loop.lock"
    lock.write_text("")
    before = (data / LEDGER).read_bytes()
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = make(data, "restore", f"FROM={file}")
    assert done.returncode == 1
    assert done.stderr == (
        "openbell: nothing was restored: trader runs: stop everything with `make down` first; nothing was changed\n"
    )
    assert (data / LEDGER).read_bytes() == before


def test_a_backup_that_fails_leaves_no_file(data: Path, tmp_path: Path) -> None:
    """Neither the file itself nor a part of it is written, and the previous one stays."""
    (data / LEDGER).write_bytes((data / LEDGER).read_bytes()[:8192])
    file = tmp_path / "backup.tar.gz"
    file.write_text("the one before")
    done = make(data, "backup", f"TO={file}")
    assert done.returncode == 1
    assert "ledger.sqlite" in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert file.read_text() == "the one before"
    assert [path.name for path in tmp_path.iterdir() if "part" in path.name] == []


def test_cron_keeps_days_of_the_journal_as_parquet(data: Path, tmp_path: Path) -> None:
    """A line of its own beside the backup's, which reaches back as far as journals are kept."""
    done = make(data, "crontab", f"BACKUP={tmp_path}", f"PARQUET={tmp_path}/days", "HOST=vps")
    assert done.returncode == 0, done.stderr
    backup, parquet = re.findall(r"^\d+ 3 \* \* \* (.*)$", done.stdout, re.MULTILINE)
    assert f"make backup HOST=vps TO={tmp_path} >" in backup
    assert f"make query HOST=vps TO={tmp_path}/days SINCE=90d >" in parquet


def test_cron_makes_a_backup_each_night(data: Path, tmp_path: Path) -> None:
    """The line that is printed does what it says, with sh as cron would; a percent sign is not the end of it."""
    folder = tmp_path / "100% mine"
    folder.mkdir()
    done = make(data, "crontab", f"BACKUP={folder}", "KEEP=2")
    assert done.returncode == 0, done.stderr
    times, command = re.findall(r"^(\d+ \d+ \* \* \*) (.*)$", done.stdout, re.MULTILINE)[0]
    assert (times, command.count(r"\%")) == ("17 3 * * *", 1)
    again = command.replace(r"\%", "%").replace("make backup", f"{sys.executable} -m deploy backup")
    environment = {
        **os.environ,
        "ENGINE": "none",
        "OPENBELL_DATA": str(data),
        "COMPOSE_PROJECT_NAME": "openbell-test-backup",
    }
    done = subprocess.run(("sh", "-c", again), env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(list(folder.glob("openbell-*.tar.gz"))) == 1


def test_make_query_reads_the_journals_of_an_installation(data: Path) -> None:
    """All of it as an installation keeps it: the archive has only the journals, and its lines are the table."""
    done = make(
        data, "query", "SINCE=2000-01-01", "SQL=SELECT strategy, count(*) > 0 AS there FROM journal GROUP BY strategy"
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == ["strategy,there", "trader,True"]
