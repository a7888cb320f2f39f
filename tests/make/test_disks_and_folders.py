"""A disk that is full, a folder that is not there or may not be written: one line, and nothing half done."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from deploy import preflight
from deploy.errors import CommandError
from tests.make.calls import ROOT
from tests.ports import free_port

WRITTEN = ROOT / "tests/fixtures/version-0.1.0"


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A disk of its own with not one byte left; its folders are there already."""
    folder = tmp_path_factory.mktemp("disk")
    done = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=256k", "tmpfs", str(folder)), check=False, capture_output=True
    )
    if done.returncode:
        pytest.skip("this machine lets nothing be mounted")
    try:
        with (folder / "filler").open("ab", buffering=0) as file, suppress(OSError):
            while True:
                file.write(bytes(4096))
        yield folder
    finally:
        subprocess.run(("umount", str(folder)), check=True)


def refused(*words: str, **environment: str) -> str:
    """Return the one line with which a command fails; what it has said before that is of no matter."""
    own = {
        "ENGINE": "none",
        "COMPOSE_PROJECT_NAME": "openbell-test-disks",
        "OPENBELL_PORT": str(free_port()),
        **environment,
    }
    done = subprocess.run(
        (str(ROOT / ".venv/bin/python"), "-m", "deploy", *words),
        cwd=ROOT,
        env={name: value for name, value in os.environ.items() if not name.startswith("OPENBELL_")} | own,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert len(done.stderr.splitlines()) == 1, done.stderr
    return done.stderr.removeprefix("openbell: ").rstrip("\n")


def test_a_full_disk_takes_no_new_strategy(full: Path) -> None:
    """And no half of one is left, which would be in the way later."""
    told = refused("new", "STRATEGY=idea", OPENBELL_STRATEGIES=str(full))
    assert told == f"{full}/idea cannot be written: No space left on device"
    assert not (full / "idea").exists()


def test_a_full_disk_takes_no_folder_of_ones_own(full: Path) -> None:
    """It is named."""
    assert refused("init", f"DIR={full}/mine") == f"DIR: {full}/mine cannot be written: No space left on device"


def test_a_full_disk_takes_no_backup(full: Path) -> None:
    """And nothing of one is left."""
    told = refused("backup", f"TO={full}/openbell.tar.gz", OPENBELL_DATA=str(WRITTEN))
    assert told == "no backup was made: No space left on device"
    assert sorted(path.name for path in full.iterdir() if path.suffix != "") == []


@pytest.mark.parametrize("command", ["up", "local"])
def test_nothing_starts_on_a_full_disk(full: Path, command: str) -> None:
    """The line names the folder, and what can be set."""
    told = refused(command, OPENBELL_DATA=str(full / "data"))
    assert told.startswith(f"the disk with {full}/data is full")
    assert "set OPENBELL_DATA" in told


@pytest.mark.parametrize("words", [("check",), ("up",), ("next",), ("ps",), ("new", "STRATEGY=idea")])
def test_a_folder_of_strategies_that_is_not_there_is_named(tmp_path: Path, words: tuple[str, ...]) -> None:
    """With the command that makes it, which works while .env names it already."""
    missing = tmp_path / "mine"
    assert refused(*words, OPENBELL_STRATEGIES=str(missing)) == (
        f"OPENBELL_STRATEGIES: there is no folder {missing}: `make init DIR={missing}` makes one"
    )
    assert not missing.exists()


def test_a_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    """For root too, whom permissions do not stop: here it is one of the kernel's."""
    told = refused("backup", "TO=/proc/openbell.tar.gz", OPENBELL_DATA=str(WRITTEN))
    assert told == "/proc: cannot be written: No such file or directory"
    assert refused("init", "DIR=/proc/mine") == "DIR: /proc/mine cannot be written: No such file or directory"


def test_no_image_is_built_on_a_full_disk(full: Path) -> None:
    """What takes room there is the engine's to say; where its disk is another machine's, nothing is said."""
    with pytest.raises(CommandError, match="where Docker keeps its files, is full"):
        preflight.engine_disk(full)
    preflight.engine_disk(full / "not-here")
