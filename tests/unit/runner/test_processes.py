"""Real processes of runs: however an attempt ends, the loop is told in words, and nothing of it stays."""

import ctypes
import os
import signal
import sys
import time
from datetime import UTC, datetime, timedelta

import pytest

from openbell.manifest import Bot, Schedule
from openbell.runner.child import Attempt
from openbell.runner.launchers import ForkLauncher, FreshLauncher
from openbell.runner.processes import Ending, RunProcess
from openbell.runner.report import LONGEST_REPORT, Failure
from openbell.strategy.run_state import Run
from tests.unit.runner.fakes import wait_for

# Runs are forked, so these are too. Newer Pythons warn of threads at a fork; the only other one here is the test's timer.
pytestmark = pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")

BOT = Bot("demo", "b", ("AAPL",), Schedule("UTC", every=timedelta(minutes=5)))
RUN = Run(BOT, datetime(2026, 3, 2, 9, 5, tzinfo=UTC), "r1", 1)


def ending_of(process: RunProcess) -> Ending:
    """Return how a process ended, once it has."""
    found: list[Ending] = []

    def has_ended() -> bool:
        ending = process.poll()
        found.extend([ending] if ending else [])
        return bool(found)

    wait_for(has_ended, "the end of the run's process")
    return found[0]


def error_of(attempt: Attempt) -> str:
    """Return the words for a forked attempt's failure."""
    failure = ending_of(ForkLauncher(attempt).start(RUN)).failure
    assert failure is not None
    return failure.error


def end_with(code: int) -> Attempt:
    """Return an attempt that ends its process."""
    return lambda *_: os._exit(code)


def end_by(number: int) -> Attempt:
    """Return an attempt that is ended by a signal."""

    def attempt(*_: object) -> None:
        os.kill(os.getpid(), number)
        time.sleep(60)

    return attempt


def test_an_attempt_that_returns_nothing_has_succeeded() -> None:
    """No failure, no words."""
    assert ending_of(ForkLauncher(lambda *_: None).start(RUN)) == Ending(None)


def test_a_failure_comes_through_as_it_is() -> None:
    """What the child says is what the loop hears, whatever the characters."""
    failure = Failure("ValueError: “π” \ud800", "Traceback\n  line\n")
    assert ending_of(ForkLauncher(lambda *_: failure).start(RUN)) == Ending(failure)


def test_the_attempt_knows_its_run() -> None:
    """The child is given the run that was started."""
    assert error_of(lambda run, _: Failure(run.run_id)) == "r1"


@pytest.mark.parametrize("code", [0, 3])
def test_a_process_that_ends_itself_has_failed(code: int) -> None:
    """An os._exit before the end is a failure, also with code 0: it is unknown what was left undone."""
    assert error_of(end_with(code)) == (
        f"the run's process ended itself with exit code {code} (os._exit) before the strategy returned"
    )


def test_a_segmentation_fault_is_named() -> None:
    """Reading address 0 crashes the child; the words say what that is, and the stack where it was."""

    def reads_nowhere(*_: object) -> None:
        ctypes.string_at(0)

    failure = ending_of(ForkLauncher(reads_nowhere).start(RUN)).failure
    assert failure is not None
    assert failure.error == "the run's process crashed with SIGSEGV (a segmentation fault in native code)"
    assert "in reads_nowhere" in failure.traceback


def test_a_kill_is_explained() -> None:
    """SIGKILL is what an exhausted memory looks like."""
    assert "killed by SIGKILL: it used more memory than the container may" in error_of(end_by(signal.SIGKILL))


def test_other_signals_are_named() -> None:
    """A run that ends by a signal is a crash with that signal's name."""
    assert error_of(end_by(signal.SIGABRT)) == "the run's process crashed with SIGABRT"


def test_an_attempt_that_raises_could_not_be_set_up() -> None:
    """What the worker itself does not catch is told too, and never leaves the child."""

    def attempt(*_: object) -> None:
        raise OSError(28, "No space left on device")

    assert error_of(attempt) == "the run could not be set up: OSError: [Errno 28] No space left on device"


def test_a_process_that_ignores_sigterm_is_killed() -> None:
    """Kill ends what catches every signal that can be caught."""
    ready, tell = os.pipe()

    def attempt(*_: object) -> None:
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, signal.SIG_IGN)
        os.write(tell, b"!")
        while True:
            time.sleep(60)

    process = ForkLauncher(attempt).start(RUN)
    os.read(ready, 1)
    process.terminate()
    assert process.poll() is None
    process.kill()
    assert ending_of(process).failure is not None
    os.close(ready)
    os.close(tell)


@pytest.mark.parametrize("how", ["kill", "end"])
def test_what_a_run_has_started_ends_with_it(how: str) -> None:
    """A child that a strategy leaves behind holds nothing open any more once the run has ended or is killed."""
    held, hold = os.pipe()
    ready, tell = os.pipe()

    def attempt(*_: object) -> None:
        if os.fork() == 0:
            os.close(held)
            os.write(tell, b"!")
            time.sleep(60)
            os._exit(0)
        os.close(hold)
        if how == "kill":
            time.sleep(60)
        os.read(ready, 1)

    process = ForkLauncher(attempt).start(RUN)
    os.close(hold)
    if how == "kill":
        os.read(ready, 1)
        process.kill()
    ending_of(process)
    assert os.read(held, 1) == b""  # end of file: no process holds the other end
    for file in (held, ready, tell):
        os.close(file)


def test_a_hung_run_tells_its_stack() -> None:
    """Asked for its stack the child names the function and the line that it hangs in, and goes on hanging."""
    ready, tell = os.pipe()

    def waits_for_ever(*_: object) -> None:
        os.write(tell, b"!")
        time.sleep(60)

    process = ForkLauncher(waits_for_ever).start(RUN)
    os.read(ready, 1)
    process.ask_stack()
    wait_for(lambda: "in waits_for_ever" in process.stack(), "a stack that names the function")
    assert process.poll() is None
    process.kill()
    ending_of(process)
    for file in (ready, tell):
        os.close(file)


def test_a_huge_failure_is_cut_in_the_child() -> None:
    """A message of megabytes costs the loop kilobytes, and both of its ends are there."""
    error = error_of(lambda *_: Failure("begin" + "x" * 5_000_000 + "end"))
    assert len(error) < LONGEST_REPORT + 100
    assert error.startswith("beginxxx")
    assert error.endswith("xxxend")
    assert f"[{5_000_008 - LONGEST_REPORT} characters left out]" in error


def test_a_run_has_its_own_group_default_signals_and_an_alarm() -> None:
    """The child is no copy of the loop: signals do what they do everywhere, and it ends by itself if the loop is gone."""
    signal.signal(signal.SIGCHLD, lambda *_: None)

    def attempt(*_: object) -> Failure:
        facts = [
            os.getpgid(0) == os.getpid(),
            signal.getsignal(signal.SIGTERM) is signal.SIG_DFL,
            signal.getsignal(signal.SIGCHLD) is signal.SIG_DFL,
            140 <= signal.alarm(0) <= 150,
        ]
        return Failure(str(facts))

    try:
        assert error_of(attempt) == str([True] * 4)
    finally:
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)


def test_a_process_that_somebody_else_reaped_is_lost() -> None:
    """A loop whose child is gone without a word says so instead of waiting for ever."""
    process = ForkLauncher(lambda *_: None).start(RUN)
    os.waitpid(process.pid, 0)  # type: ignore[attr-defined]
    assert ending_of(process) == Ending(Failure("the run's process was lost: other code waited for it"))


def open_files() -> int:
    """Return how many files this process has open."""
    return len(os.listdir("/proc/self/fd"))  # noqa: PTH208 - numbers, not paths


def test_runs_leave_no_file_open() -> None:
    """A hundred thousand runs are as good as one."""
    ending_of(ForkLauncher(lambda *_: None).start(RUN))
    before = open_files()
    for _ in range(20):
        ending_of(ForkLauncher(lambda *_: None).start(RUN))
    assert open_files() == before


def test_a_fork_that_fails_leaves_no_file_open_and_the_watchdog_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """No process to be had is the loop's to judge; nothing is lost by having tried."""
    armed: list[bool] = []
    before = open_files()

    def fork() -> int:
        raise BlockingIOError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(BlockingIOError):
        ForkLauncher(lambda *_: None, lambda: armed.append(True)).start(RUN)
    assert armed == [True]
    assert open_files() == before


def test_the_watchdog_is_armed_again_after_each_fork() -> None:
    """The loop is watched while it starts the next run; the child is not."""
    armed: list[int] = []
    process = ForkLauncher(lambda *_: Failure(str(len(armed))), lambda: armed.append(os.getpid())).start(RUN)
    assert armed == [os.getpid()]
    assert ending_of(process) == Ending(Failure("0"))


REPORTS = """
import os, sys
os.pwrite(int(sys.argv[1]), b'{"failure": {"error": "from a new interpreter", "traceback": ""}}', 0)
"""
HANGS = "import os, sys, time; os.pwrite(int(sys.argv[1]), b'!', 0); time.sleep(60)"


def fresh(code: str) -> FreshLauncher:
    """Return a launcher of new interpreters that run `code` with the descriptors as arguments."""
    return FreshLauncher(lambda _, files: [sys.executable, "-I", "-S", "-c", code, *map(str, files)])


def test_a_fresh_attempt_reports_through_its_descriptors() -> None:
    """A new interpreter tells its end as a fork does."""
    assert ending_of(fresh(REPORTS).start(RUN)) == Ending(Failure("from a new interpreter"))


def test_a_fresh_attempt_that_is_still_starting_survives_the_question_for_its_stack() -> None:
    """Before the new interpreter answers the signal it ignores it: the time-out, not the question, ends the run."""
    process = fresh(HANGS).start(RUN)
    process.ask_stack()
    wait_for(lambda: os.pread(process._report, 1, 0) == b"!", "the start of the interpreter")  # type: ignore[attr-defined]
    process.ask_stack()
    assert process.poll() is None
    assert process.stack() == ""
    process.kill()
    failure = ending_of(process).failure
    assert failure is not None
    assert "SIGKILL" in failure.error


def test_an_interpreter_that_is_not_there_is_told() -> None:
    """A command that cannot be executed fails the attempt with the reason."""
    process = FreshLauncher(lambda *_: ["/no/such/python"]).start(RUN)
    failure = ending_of(process).failure
    assert failure is not None
    assert "could not be set up: FileNotFoundError" in failure.error
