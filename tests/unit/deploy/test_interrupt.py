"""Ctrl-C while a command of ours runs another program in the foreground."""

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.unit.runner.fakes import wait_for

CHILD = """
import os, signal, sys, time
def end(*_):
    time.sleep(1)
    sys.exit(7)
signal.signal(signal.SIGINT, end)
open({ready!r}, "w").close()
time.sleep(60)
"""


def test_a_command_that_answers_an_interrupt_has_the_time_to(tmp_path: Path) -> None:
    """A backtest writes its report after Ctrl-C, which the terminal sends to both processes."""
    ready = tmp_path / "ready"
    child = [sys.executable, "-c", CHILD.format(ready=str(ready))]
    program = f"import sys; from deploy import processes; sys.exit(processes.run({child!r}, answers_interrupt=True))"
    with subprocess.Popen([sys.executable, "-c", program], start_new_session=True) as process:
        wait_for(ready.exists, "the start of the command")
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(30) == 7
