"""What the set-up scripts and the builds say: one line a step, the end of what failed, and a missing network as such."""

import subprocess
import sys
from pathlib import Path

import pytest

from deploy import processes
from deploy.docker.images import build_images, built_image
from deploy.errors import CommandError
from deploy.log import log_to_stdout
from tests.make.calls import ROOT

UNREADABLE = "http://127.0.0.1:9/simple"  # a port where nothing listens


def step(*command: str) -> "subprocess.CompletedProcess[str]":
    """Run a command as a step of the set-up scripts."""
    script = '. scripts/progress.sh; step "Installing packages" 60 "$@"; echo after'
    return subprocess.run(
        ["bash", "-c", script, "bash", *command], cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
    )


def test_a_missing_network_is_told_as_such(tmp_path: Path) -> None:
    """Without that, pip ends with "No matching distribution found" and names an innocent package."""
    pip = (
        sys.executable,
        "-m",
        "pip",
        "--isolated",
        "download",
        "--no-deps",
        "--dest",
        str(tmp_path),
        "--retries",
        "1",
        "--index-url",
        UNREADABLE,
        "anyio",
    )
    done = step(*pip)
    assert done.returncode == 1
    assert "after" not in done.stdout
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        'openbell: no network: "Installing packages" could not reach its server; check the connection'
    )


def test_a_step_that_fails_shows_its_end() -> None:
    """The last lines of its output stand before the message."""
    done = step("sh", "-c", "seq 1 50; echo disk full; exit 3")
    lines = done.stderr.splitlines()
    assert len(lines) == 21
    assert lines[-2:] == [
        "    | disk full",
        "openbell: failed: Installing packages (the last lines of its output are above)",
    ]


@pytest.mark.parametrize(
    "line,image",
    [
        ("#7 naming to docker.io/openbell/pulse:local done\n", "openbell/pulse:local"),
        ("#7 naming to docker.io/openbell/pulse:local 0.0s done\n", "openbell/pulse:local"),
        ("#12 naming to registry.example:5000/a/b:1 done\n", "registry.example:5000/a/b:1"),
        ("#7 [pulse] exporting to image\n", None),
        ("", None),
    ],
)
def test_an_image_is_done_when_it_has_its_name(line: str, image: str | None) -> None:
    """BuildKit's last step of each image."""
    assert built_image(line) == image


def test_a_build_off_a_terminal_is_a_line_an_image(capfd: pytest.CaptureFixture[str]) -> None:
    """Docker's own hundreds of lines are not shown."""
    lines = "#1 load\\n#2 naming to docker.io/a:1 done\\n#3 load\\n#4 naming to docker.io/b:1 done\\n"
    assert build_images((sys.executable, "-c", f"print('{lines}')"), log_to_stdout("text")) == 0
    out, err = capfd.readouterr()
    assert out.splitlines() == ["openbell: built (image: a:1)", "openbell: built (image: b:1)"]
    assert err == ""


def test_a_build_that_fails_shows_its_end(capfd: pytest.CaptureFixture[str]) -> None:
    """With its exit code."""
    program = "import sys; [print('step', n) for n in range(100)]; print('no such file', file=sys.stderr); sys.exit(17)"
    assert build_images((sys.executable, "-u", "-c", program), log_to_stdout("text")) == 17
    lines = capfd.readouterr().err.splitlines()
    assert len(lines) == processes.END
    assert lines[-1] == "    | no such file"


def test_a_command_that_is_not_installed_is_one_line(tmp_path: Path) -> None:
    """With what installs it."""
    with pytest.raises(CommandError, match="is not installed: run `make up`"):
        processes.quiet((str(tmp_path / "nothing"),), log_to_stdout("text"))
