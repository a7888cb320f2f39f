"""A long benchmark goes on where its last call has ended."""

import subprocess
from pathlib import Path

import pytest

from tests.bench.kept import Kept


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder with git and one file; what a benchmark keeps is not of the sources."""
    (tmp_path / ".gitignore").write_text("/build/\n")
    (tmp_path / "code.py").write_text("x = 1\n")
    git = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")
    for command in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "first")):
        subprocess.run((*git, *command), cwd=tmp_path, check=True)
    return tmp_path


def test_a_piece_is_measured_once_for_the_same_sources(checkout: Path) -> None:
    """By the next call too; when a line has changed, again."""
    assert Kept("deploy", 1, checkout).piece("one", lambda: [[1.0, 2.0]]) == [[1.0, 2.0]]
    assert Kept("deploy", 1, checkout).piece("one", lambda: [[9.0]]) == [[1.0, 2.0]]
    (checkout / "code.py").write_text("x = 2\n")
    assert Kept("deploy", 1, checkout).piece("one", lambda: [[9.0]]) == [[9.0]]


def test_no_piece_begins_when_the_time_is_over(checkout: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """What was measured before is there all the same, and what is left is told."""
    now = 0.0
    kept = Kept("deploy", 1, checkout, lambda: now)
    kept.piece("one", lambda: [[1.0]])
    now = 61.0
    assert (kept.piece("one", list), kept.piece("two", lambda: [[2.0]])) == ([[1.0]], [])
    kept.tell()
    assert "1 pieces are left, the next is: two" in capsys.readouterr().err
