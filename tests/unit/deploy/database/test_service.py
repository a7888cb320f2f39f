"""`make database`: its password, the file of its backups, and a restore that fails."""

import os
import subprocess
import tarfile
from pathlib import Path

import pytest

from deploy.database import service as own_database
from deploy.docker import database
from deploy.errors import CommandError

FAKE = """#!/bin/sh
echo "$*" >> "$CALLS"
case "$1" in
    ps) echo 0123 ;;
    run) exit 1 ;;
esac
"""


def test_a_password_is_made_once(tmp_path: Path) -> None:
    """In a folder for its owner alone; one that is there stays."""
    file = tmp_path / "secrets" / "database-password"
    own_database._must_have_password(file)
    made = file.read_text()
    assert len(made.strip()) == 48
    assert file.parent.stat().st_mode & 0o077 == 0
    own_database._must_have_password(file)
    assert file.read_text() == made


def test_what_is_no_backup_is_refused(tmp_path: Path) -> None:
    """An empty archive and any other file; a backup is told by its base backups."""
    (tmp_path / "text").write_text("no")
    (tmp_path / "base.tar.gz").write_text("x")
    for name, members in (("none", []), ("whole", ["base/20261127T100401Z/base.tar.gz", "wal/1.gz"])):
        with tarfile.open(tmp_path / name, "w") as content:
            for member in members:
                content.add(tmp_path / "base.tar.gz", member)
    for name in ("text", "none"):
        with pytest.raises(CommandError, match="it is not a backup of a database, or it is damaged"):
            own_database._holds(tmp_path / name)
    assert own_database._holds(tmp_path / "whole").startswith("base backups up to 20261127T100401Z")


def test_the_database_starts_again_when_a_restore_fails(tmp_path: Path) -> None:
    """And the command fails."""
    (tmp_path / "docker").write_text(FAKE)
    (tmp_path / "docker").chmod(0o755)
    calls = tmp_path / "calls"
    environment = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "CALLS": str(calls)}
    done = subprocess.run(database.restore("kit", "2026-11-27T10:15Z"), env=environment, check=False, timeout=10)
    assert done.returncode == 1
    told = calls.read_text().splitlines()
    assert told[1] == "stop 0123"
    assert told[-2].endswith("restore 2026-11-27T10:15Z")
    assert told[-1] == "start 0123"
