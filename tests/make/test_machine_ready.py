"""`scripts/machine-ready`: on a fresh machine Python and the engine are seen to at the same time. Both are stand-ins here."""

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.engine.kit import wait_until
from tests.make.calls import ROOT


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A fresh clone whose two set-up scripts take a second and write what they did into a file."""
    folder = tmp_path / "openbell"
    (folder / "scripts").mkdir(parents=True)
    for name in ("machine-ready", "progress.sh"):
        shutil.copy(ROOT / "scripts" / name, folder / "scripts" / name)
    for name in ("python-ready", "docker-ready"):
        script = folder / "scripts" / name
        script.write_text(
            f"#!/bin/sh\necho begin {name} >>did\nsleep ${{SECONDS_TAKEN:-1}}\necho {name} $*\necho end {name} >>did\n"
            f"[ {name} != $FAILS ] || exit 7\n"
        )
        script.chmod(0o755)
    return folder


def start(project: Path, **environment: str) -> "subprocess.Popen[str]":
    """Start the script in the clone."""
    given = {"PATH": os.environ["PATH"], "FAILS": "none", **environment}
    command = ("scripts/machine-ready", "host")
    return subprocess.Popen(command, cwd=project, env=given, stdout=subprocess.PIPE, text=True, start_new_session=True)


def did(project: Path) -> list[str]:
    """Return what the stand-ins have done so far."""
    file = project / "did"
    return file.read_text().splitlines() if file.exists() else []


@pytest.mark.parametrize("fails,code", [("none", 0), ("python-ready", 7), ("docker-ready", 0)])
def test_both_run_at_the_same_time_and_what_they_say_is_not_mixed(project: Path, fails: str, code: int) -> None:
    """The exit code is Python's: who needs an engine asks for it again, and gets the reason."""
    process = start(project, FAILS=fails)
    said, _ = process.communicate(timeout=30)
    assert process.returncode == code
    assert said.splitlines() == [
        "openbell: Seeing to a Docker engine at the same time", "python-ready host", "docker-ready",
    ]  # fmt: skip
    assert {one.split()[0] for one in did(project)[:2]} == {"begin"}
    assert sorted(did(project)[2:]) == ["end docker-ready", "end python-ready"]


@pytest.mark.parametrize("where", ["environment", "file", "known machine"])
def test_without_need_only_python_is_seen_to(project: Path, where: str) -> None:
    """ENGINE=none asks for no engine, and a machine on which .venv is there was made ready before."""
    if where == "file":
        (project / ".env").write_text("OPENBELL_PORT=9\nENGINE=none\n")
    if where == "known machine":
        (project / ".venv").mkdir()
    environment = {"ENGINE": "none"} if where == "environment" else {}
    assert start(project, **environment).communicate(timeout=30)[0] == "python-ready host\n"
    assert did(project) == ["begin python-ready", "end python-ready"]


def test_ctrl_c_ends_both(project: Path) -> None:
    """As a terminal sends it: to the script and what it waits for."""
    process = start(project, SECONDS_TAKEN="60")
    wait_until(lambda: len(did(project)) == 2, "both to have begun", 30)
    began = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode != 0
    wait_until(lambda: not running(project), "both to end", 20)
    assert time.monotonic() - began < 40
    assert len(did(project)) == 2


def running(project: Path) -> list[str]:
    """Return the processes that stand in the clone."""
    found = []
    for one in Path("/proc").glob("[0-9]*"):
        try:
            if (one / "cwd").readlink() == project:
                found.append(one.name)
        except OSError:  # it has ended, or is another user's
            continue
    return found
