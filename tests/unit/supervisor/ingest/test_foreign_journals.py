"""Bad files in one strategy's journal folder are that strategy's condition and do not delay other strategies' lines."""

import os
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell import foreign_files
from openbell.journal.follower import MOST_BYTES
from openbell.supervisor.ingest.journal_reader import JournalReader

NOW = datetime(2026, 3, 2, 14, 30, tzinfo=UTC)
LINE = b'{"event": "note", "text": "fine"}\n'


def fifo(folder: Path) -> None:
    """Today's file is a pipe."""
    os.mkfifo(folder / "2026-03-02.jsonl")


def directory(folder: Path) -> None:
    """Today's file is a directory."""
    (folder / "2026-03-02.jsonl").mkdir()


def endless(folder: Path) -> None:
    """Today's file is a link to a device without end."""
    (folder / "2026-03-02.jsonl").symlink_to("/dev/zero")


def victims(folder: Path) -> None:
    """Today's file is another strategy's."""
    (folder / "2026-03-02.jsonl").symlink_to("../victim/2026-03-02.jsonl")


def sparse(folder: Path) -> None:
    """Today's file has 100 GB."""
    (folder / "2026-03-02.jsonl").touch()
    os.truncate(folder / "2026-03-02.jsonl", 100 << 30)


def many(folder: Path) -> None:
    """There are more files than days."""
    for number in range(foreign_files.MOST_NAMES + 1):
        (folder / f"{number}.jsonl").touch()


def linked(folder: Path) -> None:
    """The folder itself is a link."""
    folder.rmdir()
    folder.symlink_to("victim")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A journal with a victim that has a line, and an attacker."""
    for name in ("attacker", "victim"):
        (tmp_path / name).mkdir()
    (tmp_path / "victim" / "2026-03-02.jsonl").write_bytes(LINE)
    return tmp_path


@pytest.mark.parametrize(
    "plant", [fifo, directory, endless, victims, sparse, many, linked], ids=lambda one: one.__name__
)
def test_the_victim_is_read(root: Path, plant: Callable[[Path], None]) -> None:
    """The attacker's folder is an error with a reason; the victim is read up to its end in the same batch."""
    plant(root / "attacker")
    reader = JournalReader(root, {}, 90)
    lines = list(reader.read_batch(["attacker", "victim"], NOW, 500))
    assert [(strategy, [line["text"] for line in found]) for strategy, found in lines] == [("victim", ["fine"])]
    assert reader.is_up_to_date("victim")
    assert "attacker" in reader.error_of("attacker")
    assert reader.unread_bytes("attacker") >= 0


def test_a_line_without_an_end_is_read_in_many_batches(root: Path) -> None:
    """Each batch takes some megabytes of it, and all of the victim's lines."""
    (root / "attacker" / "2026-03-02.jsonl").write_bytes(b"x" * (3 * MOST_BYTES))
    reader = JournalReader(root, {}, 90)
    batches = 0
    while batches == 0 or not reader.is_up_to_date("attacker"):
        lines = list(reader.read_batch(["attacker", "victim"], NOW, 500))
        assert len(lines) == (1 if batches == 0 else 0)
        assert reader.is_up_to_date("victim")
        batches += 1
        assert batches < 10
    assert batches > 2
