"""The supervisor of processes, with processes that do nothing, and a clock that a test moves."""

import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from deploy.local.process_supervisor import LARGEST_LOG, RAN_WELL, ProcessSupervisor
from deploy.local.processes import Process
from deploy.log import log_to_stdout
from openbell.restarts import LONGEST_PAUSE
from tests.unit.deploy.local.test_run import is_alive

SLEEP = (sys.executable, "-c", "import time; time.sleep(60)")
FAIL = (sys.executable, "-c", "raise SystemExit(3)")


@pytest.fixture
def supervisor() -> Iterator[ProcessSupervisor]:
    """A supervisor whose processes are gone afterwards."""
    made = ProcessSupervisor(log_to_stdout("text"))
    yield made
    made.end(made.running(), signal.SIGKILL)
    for one in made.kept:
        if one.running is not None:
            one.running.wait(10)


def end_of(supervisor: ProcessSupervisor, now: float) -> None:
    """Let the supervisor see that its one process has ended."""
    running = supervisor.kept[0].running
    assert running is not None
    running.wait(30)
    supervisor.step(now)


def test_pauses_grow_to_a_limit_and_begin_anew_after_a_good_time(supervisor: ProcessSupervisor, tmp_path: Path) -> None:
    """1, 2, 4, … 60 s; nothing is started within a pause; one minute of life is a good time."""
    supervisor.keep(Process("p", FAIL, {}), tmp_path / "log")
    now, pauses = 0.0, []
    for _ in range(8):
        supervisor.step(now)
        end_of(supervisor, now)
        pause = supervisor.kept[0].restart.at - now
        supervisor.step(now + pause - 0.01)
        assert supervisor.running() == []
        pauses.append(pause)
        now += pause
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]
    supervisor.step(now)
    end_of(supervisor, now + RAN_WELL)
    assert supervisor.kept[0].restart.at == now + RAN_WELL + 1


def test_what_is_held_stays_away_until_it_is_released(supervisor: ProcessSupervisor, tmp_path: Path) -> None:
    """However late it gets."""
    supervisor.keep(Process("p", SLEEP, {}), tmp_path / "log")
    supervisor.step(0)
    supervisor.kill("p")
    end_of(supervisor, 1)
    supervisor.step(1000)
    assert supervisor.running() == []
    supervisor.release("p")
    supervisor.step(1000)
    assert supervisor.running() == ["p"]


def test_nothing_is_started_again_once_it_ends(supervisor: ProcessSupervisor, tmp_path: Path) -> None:
    """Whatever the exit code."""
    supervisor.keep(Process("p", SLEEP, {}), tmp_path / "log")
    supervisor.step(0)
    supervisor.end(["p"])
    end_of(supervisor, 1)
    supervisor.step(1000)
    assert supervisor.are_all_gone


def test_a_kill_reaches_what_a_process_has_started(supervisor: ProcessSupervisor, tmp_path: Path) -> None:
    """Also in a process group of its own, as a run has it."""
    child = f"import os, time; os.setpgid(0, 0); open({str(tmp_path / 'id')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    supervisor.keep(Process("p", (sys.executable, "-c", code), {}), tmp_path / "log")
    supervisor.step(0)
    end = time.monotonic() + 30
    while not (tmp_path / "id").exists() or not (tmp_path / "id").read_text():
        assert time.monotonic() < end, (tmp_path / "log").read_text()
        time.sleep(0.02)
    supervisor.end(["p"], signal.SIGKILL)
    end_of(supervisor, 1)
    process = int((tmp_path / "id").read_text())
    while is_alive(process):
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.02)


def test_a_log_that_has_grown_too_large_is_begun_anew_at_a_start(supervisor: ProcessSupervisor, tmp_path: Path) -> None:
    """The one before is kept."""
    log = tmp_path / "p.log"
    with log.open("wb") as file:
        file.truncate(LARGEST_LOG + 1)
    supervisor.keep(Process("p", SLEEP, {}), log)
    supervisor.step(0)
    assert log.stat().st_size == 0
    assert (tmp_path / "p.old").stat().st_size == LARGEST_LOG + 1
