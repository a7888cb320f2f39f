"""Real processes that wait for their slot."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from openbell.runner.launchers import ForkLauncher, FreshLauncher
from openbell.runner.processes import ArmedProcess, Ending
from openbell.runner.report import Failure
from openbell.runner.start_signal import WaitForStart
from openbell.strategy.run_state import Run
from tests.unit.runner.fakes import wait_for
from tests.unit.runner.test_processes import RUN, ending_of

FRESH = """
import sys
from openbell.runner.child import wait_for_start
from tests.unit.runner.test_processes import RUN
wait_for_start(RUN, int(sys.argv[3]), 0.0)()
import os
os.pwrite(int(sys.argv[1]), b'{"failure": {"error": "began", "traceback": ""}}', 0)
"""
LOOP = """
import os, sys, time
from openbell.runner.launchers import ForkLauncher
from tests.unit.runner.test_processes import RUN
def attempt(run, wait):
    wait()
    open(sys.argv[1], "w").close()
process, other = (ForkLauncher(attempt).arm(RUN) for _ in range(2))
print(process.pid, other.pid, flush=True)
time.sleep(60)
"""


def begins(_: Run, wait: WaitForStart) -> Failure:
    """Wait, and say that the run began."""
    wait()
    return Failure("began")


def ready(process: ArmedProcess) -> float:
    """Return how long the process took to get ready."""
    found: list[float] = []

    def has_said() -> bool:
        seconds = process.seconds_to_get_ready()
        found.extend([seconds] if seconds is not None else [])
        return bool(found)

    wait_for(has_said, "a process that waits")
    return found[0]


def test_a_process_begins_when_it_is_released() -> None:
    """Until then it has done nothing; then it is an attempt like any other."""
    process = ForkLauncher(begins).arm(RUN)
    assert ready(process) < 5
    assert process.poll() is None
    released = process.release()
    assert released is not None
    assert ending_of(released) == Ending(Failure("began"))


def test_a_process_may_be_released_before_it_is_ready() -> None:
    """The signal waits for the process."""
    reading, writing = os.pipe()

    def slow(run: Run, wait: WaitForStart) -> Failure:
        os.read(reading, 1)
        return begins(run, wait)

    process = ForkLauncher(slow).arm(RUN)
    assert process.seconds_to_get_ready() is None
    assert process.release() is not None
    os.write(writing, b"!")
    os.close(writing)
    os.close(reading)
    assert ending_of(process) == Ending(Failure("began"))


def test_a_killed_process_cannot_be_released() -> None:
    """The loop is told, so that it starts another."""
    process = ForkLauncher(begins).arm(RUN)
    ready(process)
    process.kill()
    ending_of(process)
    assert process.release() is None


def test_a_new_interpreter_waits_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has imported all that it needs before its slot."""
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(sys.path))
    launcher = FreshLauncher(lambda _, files: [sys.executable, "-c", FRESH, *map(str, files)])
    process = launcher.arm(RUN)
    assert ready(process) > 0
    assert process.memory() > 0
    assert process.poll() is None
    assert process.release() is not None
    assert ending_of(process) == Ending(Failure("began"))


def test_processes_end_with_a_loop_that_is_killed(tmp_path: Path) -> None:
    """No process waits for a loop that is gone, and none of them begins; later processes hold nothing of earlier ones."""
    began = tmp_path / "began"
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    loop = subprocess.Popen([sys.executable, "-c", LOOP, began], env=environment, stdout=subprocess.PIPE, text=True)
    assert loop.stdout is not None
    processes = [int(word) for word in loop.stdout.readline().split()]
    loop.send_signal(signal.SIGKILL)
    loop.communicate()
    wait_for(lambda: not any(_is_running(process) for process in processes), "the end of what waited")
    assert not began.exists()


def _is_running(process: int) -> bool:
    try:
        status = Path(f"/proc/{process}/stat").read_text()
    except OSError:
        return False
    return status.rpartition(")")[2].split()[0] != "Z"
