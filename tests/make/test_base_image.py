"""`scripts/base-image`: the registry is asked without an engine, and a stand-in that was begun before is waited for.

Docker's client is a stand-in here, which writes down how it was called.
"""

import os
import subprocess
from pathlib import Path

import pytest

from tests.make.calls import ROOT

SCRIPT = str(ROOT / "scripts" / "base-image")
NO_SUCH_HOST = (
    'error pinging v2 registry: Get "https://registry.test/v2/": dial tcp: lookup registry.test: no such host'
)
NO_SUCH_IMAGE = "no such manifest: registry.test/python:3.13-slim-trixie"
DOCKER = """#!/bin/sh
echo "$1" >>"$CALLS"
case $1 in
image) exit 1 ;;
manifest) if [ -n "$ANSWER" ]; then echo "$ANSWER" >&2; exit 1; fi ;;
pull) echo "$ANSWER" >&2; [ -z "$ANSWER" ] ;;
import) for given; do [ ! -e "$given" ] || echo "import $(cat "$given")" >>"$CALLS"; done ;;
esac
"""


class Client:
    """The script with a client that gets this answer of the registry; an empty one is that of a registry that has the image."""

    def __init__(self, folder: Path, answer: str) -> None:
        self.calls = folder / "calls"
        docker = folder / "docker"
        docker.write_text(DOCKER)
        docker.chmod(0o755)
        path = f"{folder}:{os.environ['PATH']}"
        self.environment = {**os.environ, "PATH": path, "CALLS": str(self.calls), "ANSWER": answer}

    def run(self, *words: str) -> "subprocess.CompletedProcess[str]":
        """Run it to its end."""
        return self._run(SCRIPT, *words)

    def run_beside(self, making: str, folder: Path) -> "subprocess.CompletedProcess[str]":
        """Run it as docker-ready does, beside a process that makes the stand-in in a folder."""
        beside = '(cd "$2" && eval "$3") & "$1" $! "$2"'
        return self._run("bash", "-c", beside, "bash", SCRIPT, str(folder), making)

    def _run(self, *command: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=False, timeout=60)

    def called(self) -> list[str]:
        """Return how the client was called."""
        return self.calls.read_text().splitlines()


@pytest.fixture
def ahead(tmp_path: Path) -> Path:
    """The folder of a stand-in that is being made."""
    folder = tmp_path / "ahead"
    folder.mkdir()
    return folder


@pytest.mark.parametrize(
    "answer,code",
    [("", 1), (NO_SUCH_IMAGE, 1), ("toomanyrequests: You have reached your pull rate limit.", 1), (NO_SUCH_HOST, 0)],
)
def test_a_registry_is_out_of_reach_only_if_no_connection_comes_about(tmp_path: Path, answer: str, code: int) -> None:
    """Whatever else it answers, it answers: then a pull says what is wrong."""
    client = Client(tmp_path, answer)
    assert client.run("--ask").returncode == code
    assert client.called() == ["manifest"]


def test_a_stand_in_that_has_begun_is_waited_for(tmp_path: Path, ahead: Path) -> None:
    """The file is imported when the process that makes it has ended, and not before."""
    client = Client(tmp_path, NO_SUCH_HOST)
    done = client.run_beside("echo half >base.tar; sleep 1; echo whole >base.tar", ahead)
    assert done.returncode == 0, done.stdout + done.stderr
    assert client.called() == ["image", "pull", "import", "import whole"]


def test_what_kept_a_stand_in_from_being_made_is_said(tmp_path: Path, ahead: Path) -> None:
    """It was written by a process that nobody listened to."""
    done = Client(tmp_path, NO_SUCH_HOST).run_beside("echo 'E: no space left' >stand-in.log; exit 1", ahead)
    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == "    | E: no space left"
    assert done.stderr.splitlines()[1].startswith("openbell: failed: Building a stand-in")


def test_a_stand_in_is_not_needed_where_the_registry_has_the_image(tmp_path: Path, ahead: Path) -> None:
    """The image is pulled, and nobody waits for the one that has begun."""
    client = Client(tmp_path, "")
    assert client.run("1", str(ahead)).returncode == 0
    assert client.called() == ["image", "pull"]
