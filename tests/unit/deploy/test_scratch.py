"""Folders of this machine that go with their process, however it ends."""

import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from deploy import scratch

SCRIPT = """\
import sys, tempfile, time
from deploy import scratch
with tempfile.TemporaryDirectory(prefix=scratch.prefix(), dir=sys.argv[1]):
    print("there", flush=True)
    time.sleep(60)
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_the_next_run_removes_what_a_killed_one_has_left(tmp_path: Path, number: signal.Signals) -> None:
    """And touches nothing of one that still runs."""
    with subprocess.Popen((sys.executable, "-c", SCRIPT, tmp_path), stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.readline() == b"there\n"
        scratch.sweep(tmp_path)
        assert list(tmp_path.iterdir())
        process.send_signal(number)
    scratch.sweep(tmp_path)
    assert not list(tmp_path.iterdir())


def test_what_is_not_ours_stays(tmp_path: Path) -> None:
    """A file, another program's folder, a link, and this process's own folder."""
    gone = "999999999"
    (tmp_path / f"openbell-{gone}-file").touch()
    (tmp_path / f"openbell-demo-{gone}").mkdir()
    (tmp_path / f"openbell-{gone}-link").symlink_to(tmp_path / f"openbell-demo-{gone}")
    own = Path(tempfile.mkdtemp(prefix=scratch.prefix(), dir=tmp_path))
    before = sorted(tmp_path.iterdir())
    scratch.sweep(tmp_path)
    assert sorted(tmp_path.iterdir()) == before
    assert own in before
