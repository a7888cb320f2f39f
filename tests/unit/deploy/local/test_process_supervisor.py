"""The keeper, with processes that do nothing, and a clock that a test moves."""

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
def keeper() -> Iterator[ProcessSupervisor]:
    """A keeper whose processes are gone afterwards."""
    made = ProcessSupervisor(log_to_stdout("text"))
    yield made
    made.end(made.running(), signal.SIGKILL)
    for one in made.kept:
        if one.running is not None:
            one.running.wait(10)


def end_of(keeper: ProcessSupervisor, now: float) -> None:
    """Let the keeper see that its one process has ended."""
    running = keeper.kept[0].running
    assert running is not None
    running.wait(30)
    keeper.step(now)


def test_pauses_grow_to_a_limit_and_begin_anew_after_a_good_time(keeper: ProcessSupervisor, tmp_path: Path) -> None:
    """1, 2, 4, … 60 s; nothing is started within a pause; one minute of life is a good time."""
    keeper.keep(Process("p", FAIL, {}), tmp_path / "log")
    now, pauses = 0.0, []
    for _ in range(8):
        keeper.step(now)
        end_of(keeper, now)
        pause = keeper.kept[0].restart.at - now
        keeper.step(now + pause - 0.01)
        assert keeper.running() == []
        pauses.append(pause)
        now += pause
    assert pauses == [1, 2, 4, 8, 16, 32, LONGEST_PAUSE, LONGEST_PAUSE]
    keeper.step(now)
    end_of(keeper, now + RAN_WELL)
    assert keeper.kept[0].restart.at == now + RAN_WELL + 1


def test_what_is_held_stays_away_until_it_is_released(keeper: ProcessSupervisor, tmp_path: Path) -> None:
    """However late it gets."""
    keeper.keep(Process("p", SLEEP, {}), tmp_path / "log")
    keeper.step(0)
    keeper.kill("p")
    end_of(keeper, 1)
    keeper.step(1000)
    assert keeper.running() == []
    keeper.release("p")
    keeper.step(1000)
    assert keeper.running() == ["p"]


def test_nothing_is_started_again_once_it_ends(keeper: ProcessSupervisor, tmp_path: Path) -> None:
    """Whatever the exit code."""
    keeper.keep(Process("p", SLEEP, {}), tmp_path / "log")
    keeper.step(0)
    keeper.end(["p"])
    end_of(keeper, 1)
    keeper.step(1000)
    assert keeper.are_all_gone


def test_a_kill_reaches_what_a_process_has_started(keeper: ProcessSupervisor, tmp_path: Path) -> None:
    """Also in a process group of its own, as a run has it."""
    child = f"import os, time; os.setpgid(0, 0); open({str(tmp_path / 'id')!r}, 'w').write(str(os.getpid())); time.sleep(60)"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {child!r}])"
    keeper.keep(Process("p", (sys.executable, "-c", code), {}), tmp_path / "log")
    keeper.step(0)
    end = time.monotonic() + 30
    while not (tmp_path / "id").exists() or not (tmp_path / "id").read_text():
        assert time.monotonic() < end, (tmp_path / "log").read_text()
        time.sleep(0.02)
    keeper.end(["p"], signal.SIGKILL)
    end_of(keeper, 1)
    process = int((tmp_path / "id").read_text())
    while is_alive(process):
        assert time.monotonic() < end, "it lives on"
        time.sleep(0.02)


def test_a_log_that_has_grown_too_large_is_begun_anew_at_a_start(keeper: ProcessSupervisor, tmp_path: Path) -> None:
    """The one before is kept."""
    log = tmp_path / "p.log"
    with log.open("wb") as file:
        file.truncate(LARGEST_LOG + 1)
    keeper.keep(Process("p", SLEEP, {}), log)
    keeper.step(0)
    assert log.stat().st_size == 0
    assert (tmp_path / "p.old").stat().st_size == LARGEST_LOG + 1
