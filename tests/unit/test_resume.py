"""The long suite in pieces: what has passed is not run again for the same sources, and the end is told for all pieces."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.installation import ROOT
from tests.resume import sources

SUITE = """\
import pathlib

def test_first():
    with pathlib.Path("ran").open("a") as file:
        file.write("first ")

def test_second():
    with pathlib.Path("ran").open("a") as file:
        file.write("second ")
    assert pathlib.Path("ran.allowed").exists()
"""
GIT = ("git", "-c", "user.name=test", "-c", "user.email=test@example.org")


@pytest.fixture
def suite(tmp_path: Path) -> Path:
    """A checkout with two tests, of which the second fails until there is a file that git ignores."""
    (tmp_path / "test_it.py").write_text(SUITE)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    (tmp_path / ".gitignore").write_text("ran*\n.pytest_cache/\n__pycache__/\n")
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "first")):
        subprocess.run((*GIT, *words), cwd=tmp_path, check=True)
    return tmp_path


def run(suite: Path, *words: str, minutes: str = "") -> "subprocess.CompletedProcess[str]":
    """Run the suite once."""
    return subprocess.run(
        (sys.executable, "-B", "-m", "pytest", "-q", "-p", "tests.resume", *words),
        cwd=suite,
        env={
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(ROOT),
            "MINUTES": minutes,
            "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def ran(suite: Path) -> str:
    """Return the tests that have run so far, in their order."""
    file = suite / "ran"
    return file.read_text().strip() if file.exists() else ""


@pytest.mark.parametrize("words", [(), ("-p", "xdist", "-n", "1")], ids=["alone", "with a worker"])
def test_what_has_passed_is_not_run_again(suite: Path, words: tuple[str, ...]) -> None:
    """A second call runs what is left; when nothing is, a call runs nothing and is good."""
    first = run(suite, *words)
    assert (first.returncode, ran(suite)) == (1, "first second")
    assert "1 tests have not passed yet: run the command again for them" in first.stdout
    (suite / "ran.allowed").touch()
    second = run(suite, *words)
    assert (second.returncode, ran(suite)) == (0, "first second second"), second.stdout
    assert second.stdout.splitlines()[-2].split()[:4] == ["all", "2", "0", "0"], second.stdout
    third = run(suite, *words)
    assert (third.returncode, ran(suite)) == (0, "first second second"), third.stdout


def test_other_sources_begin_anew(suite: Path) -> None:
    """A line that is changed may break what has passed before."""
    run(suite)
    (suite / "other.py").write_text("# new\n")
    run(suite)
    assert ran(suite) == "first second first second"


def test_no_test_begins_when_the_time_is_over(suite: Path) -> None:
    """What was not begun is told as left, and the exit code is not 0."""
    done = run(suite, minutes="0")
    assert (done.returncode, ran(suite)) == (1, "")
    assert "2 tests have not passed yet" in done.stdout


def test_without_git_there_is_no_name_for_the_sources(tmp_path: Path) -> None:
    """Then nothing is kept."""
    assert sources(tmp_path) == ""
