"""Backups that restic and rclone keep: read back there, pruned after that, and fetched again."""

import subprocess
from pathlib import Path

import pytest

from deploy.data import backup_places
from deploy.errors import CommandError
from tests.installed import Installed

STAMPS = ("20260101T000000Z", "20260102T000000Z", "20260103T000000Z")


@pytest.fixture
def backup(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file that stands for a complete backup."""
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "part"
    file.write_bytes(b"all positions")
    return file


@pytest.fixture
def repository(tmp_path: Path, installed: Installed, monkeypatch: pytest.MonkeyPatch) -> str:
    """A repository of restic; its password is in .env, as other secrets are."""
    installed("backup-tools")
    monkeypatch.delenv("RESTIC_PASSWORD", raising=False)
    (tmp_path / ".env").write_text("RESTIC_PASSWORD=correct horse\n")
    where = str(tmp_path / "repository")
    made = ("restic", "--quiet", "--repo", where, "init")
    subprocess.run(
        made, check=True, env={"RESTIC_PASSWORD": "correct horse", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    )
    return where


def snapshots(tmp_path: Path, repository: str) -> int:
    """Return how many snapshots a repository has."""
    words = ("restic", "--repo", repository, "snapshots", "--json", "--quiet")
    environment = {"RESTIC_PASSWORD": "correct horse", "HOME": str(tmp_path), "PATH": "/usr/bin:/bin"}
    return subprocess.run(words, check=True, env=environment, capture_output=True, text=True).stdout.count('"short_id"')


def test_restic_keeps_prunes_and_gives_back(backup: Path, repository: str, tmp_path: Path) -> None:
    """The newest snapshot is what comes back; those of another installation are not pruned."""
    backup_places.place(f"restic:{repository}", "openbell-vps", STAMPS[0]).keep(backup)
    for number in range(3):
        backup.write_bytes(f"state {number}".encode())
        place = backup_places.place(f"restic:{repository}", "openbell", STAMPS[number])
        place.keep(backup)
    place.prune(2)
    assert snapshots(tmp_path, repository) == 3
    with backup_places.fetched(f"restic:{repository}") as file:
        assert file.read_bytes() == b"state 2"


def test_a_repository_that_is_not_there_is_named_in_one_line(
    backup: Path, installed: Installed, tmp_path: Path
) -> None:
    """As restic says it."""
    installed("backup-tools")
    (tmp_path / ".env").write_text("RESTIC_PASSWORD=x\n")
    with pytest.raises(CommandError, match=r"^restic failed: [^\n]+$"):
        backup_places.place(f"restic:{tmp_path}/nowhere", "openbell", STAMPS[0]).keep(backup)


def test_rclone_keeps_prunes_and_gives_back(backup: Path, installed: Installed, tmp_path: Path) -> None:
    """Files with other names are left alone."""
    installed("backup-tools")
    folder = tmp_path / "remote"
    folder.mkdir()
    (folder / "mine.tar.gz").write_bytes(b"mine")
    (folder / f"openbell-vps-{STAMPS[0]}.tar.gz").write_bytes(b"another's")
    for stamp in STAMPS:
        backup.write_bytes(stamp.encode())
        place = backup_places.place(f"rclone::local:{folder}", "openbell", stamp)
        assert place.keep(backup) == f":local:{folder}/openbell-{stamp}.tar.gz"
    assert place.prune(2) == [f":local:{folder}/openbell-{STAMPS[0]}.tar.gz"]
    assert sorted(path.name for path in folder.iterdir()) == [
        "mine.tar.gz",
        *(f"openbell-{stamp}.tar.gz" for stamp in STAMPS[1:]),
        f"openbell-vps-{STAMPS[0]}.tar.gz",
    ]
    with backup_places.fetched(f"rclone::local:{folder}/openbell-{STAMPS[2]}.tar.gz") as file:
        assert file.read_bytes() == STAMPS[2].encode()


@pytest.mark.parametrize("tool", ["restic", "rclone"])
def test_a_tool_that_is_not_installed_is_named(backup: Path, monkeypatch: pytest.MonkeyPatch, tool: str) -> None:
    """Where nothing can be installed, a folder is what remains."""
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(
        CommandError, match=f"^{tool} is not installed: install it with the system's packages, or name a folder$"
    ):
        backup_places.place(f"{tool}:x", "openbell", STAMPS[0]).keep(backup)


def test_what_comes_back_otherwise_than_it_was_written_is_no_backup(
    backup: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A remote that loses what it is given is found at once."""
    program = tmp_path / "bin" / "rclone"
    program.parent.mkdir()
    program.write_text("#!/bin/sh\nif [ $1 = cat ]; then echo rubbish; fi\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{program.parent}:/usr/bin:/bin")
    with pytest.raises(CommandError, match="read back from there is not the one that was written"):
        backup_places.place("rclone:remote:x", "openbell", STAMPS[0]).keep(backup)
