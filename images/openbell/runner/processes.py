"""The processes of runs: started from the loop, watched, ended. The loop itself never runs strategy code of a run."""

import contextlib
import faulthandler
import json
import os
import signal
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

from openbell import journal
from openbell.runner import orphans
from openbell.runner.loop_lock import LOOK
from openbell.runner.output import Pipe, Printed
from openbell.strategy.context import Run

STACK_SIGNAL = signal.SIGUSR2  # asks a run's process for the stack that it is in
LONGEST_REPORT = 20_000  # characters of an error and of a traceback; the loop does not pay for a strategy's megabytes
SELF_DESTRUCT_MARGIN = 30  # seconds after its time-out at which a run whose loop is gone ends by itself


ECHO = "OPENBELL_ECHO"  # tells a new interpreter at which descriptor the real standard output is
POLL_SOON = 0.1  # seconds between two looks at what a run prints past Python
FULL = 1 << 18  # bytes in one look after which the next one is at once
_RUNNING: set[int] = set()  # the processes of this process's runs


@dataclass(frozen=True)
class Failure:
    """Why an attempt failed, in words that the strategy's author understands, and the stack where it did."""

    error: str
    traceback: str = ""


class RunProcess(Protocol):
    """One attempt in progress."""

    def poll(self) -> "Ending | None":
        """Return how the attempt ended, or None while it goes on."""

    def poll_within(self) -> float | None:
        """Return the seconds within which `poll` is to be called again though nothing ends; None if that does not matter."""

    def ask_stack(self) -> None:
        """Ask the process for its stack; `stack` has it a moment later."""

    def stack(self) -> str:
        """Return the stack that was asked for, as far as it has come."""

    def terminate(self) -> None:
        """Ask the process to end by itself."""

    def kill(self) -> None:
        """End the process and all that it started."""


@dataclass(frozen=True)
class Ending:
    """How an attempt ended: no failure means that it succeeded."""

    failure: Failure | None


class Launcher(Protocol):
    """Starts attempts."""

    def start(self, run: Run) -> RunProcess:
        """Start one attempt in a process of its own; OSError if there can be no process now."""


def _nothing() -> None:
    """Do nothing."""


# Returns what becomes of the lines that a run prints past Python, at the descriptors 1 and 2.
Printer = Callable[[Run], Printed]


class ForkLauncher:
    """Starts each attempt in a child forked from this process, warm: all imports are there already.

    attempt: what the child does. It returns None, or the failure. arm_watchdog: called in this process after each fork.
    """

    def __init__(
        self,
        attempt: Callable[[Run], Failure | None],
        arm_watchdog: Callable[[], None] = _nothing,
        printer: Printer | None = None,
    ) -> None:
        self._attempt = attempt
        self._arm_watchdog = arm_watchdog
        self._printer = printer

    def start(self, run: Run) -> RunProcess:
        """Fork; the child never returns."""
        return _fork(run, lambda _: self._attempt, self._arm_watchdog, self._printer)


class FreshLauncher:
    """Starts each attempt in a new interpreter, for strategies whose libraries do not survive a fork.

    command: returns the argument list that runs one attempt and writes its failure to the file descriptor it is given.
    """

    def __init__(
        self,
        command: Callable[[Run, int, int], list[str]],
        arm_watchdog: Callable[[], None] = _nothing,
        printer: Printer | None = None,
    ) -> None:
        self._command = command
        self._arm_watchdog = arm_watchdog
        self._printer = printer

    def start(self, run: Run) -> RunProcess:
        """Fork and execute the command."""

        def attempt(files: "_Files") -> Callable[[Run], Failure | None]:
            command = self._command(run, files.report, files.stack)

            def execute(_: Run) -> Failure | None:
                os.set_inheritable(files.report, True)  # noqa: FBT003 - positional only
                os.set_inheritable(files.stack, True)  # noqa: FBT003
                os.set_inheritable(journal.echo_file(), True)  # noqa: FBT003
                os.environ[ECHO] = str(journal.echo_file())
                # Until the new interpreter answers to it, being asked for the stack must not end it.
                signal.signal(STACK_SIGNAL, signal.SIG_IGN)
                os.execv(command[0], command)  # noqa: S606 - our own interpreter, no shell

            return execute

        return _fork(run, attempt, self._arm_watchdog, self._printer)


class _Files(NamedTuple):
    """Where an attempt leaves what the loop is to read: file descriptors in memory, since the disk may be full."""

    report: int
    stack: int


def _fork(
    run: Run,
    attempt: Callable[[_Files], Callable[[Run], Failure | None]],
    arm_watchdog: Callable[[], None],
    printer: Printer | None,
) -> "ChildProcess":
    with contextlib.ExitStack() as undo:
        pipe = Pipe(printer(run)) if printer else None
        if pipe:
            undo.callback(pipe.close)
        report = os.memfd_create("openbell-report", os.MFD_CLOEXEC)
        undo.callback(os.close, report)
        stack = os.memfd_create("openbell-stack", os.MFD_CLOEXEC)
        undo.callback(os.close, stack)
        function = attempt(_Files(report, stack))
        # Until the child answers to it, being asked for its stack must not end it. The loop has no use for it itself.
        # (In a function it may be called on another thread than the main one, which cannot ask for that.)
        if threading.current_thread() is threading.main_thread():
            signal.signal(STACK_SIGNAL, signal.SIG_IGN)
        # The watchdog is a native thread, which a fork would not carry over.
        faulthandler.cancel_dump_traceback_later()
        try:
            pid = os.fork()
            if pid == 0:
                _child(_Files(report, stack), pipe, run, function)
        finally:
            arm_watchdog()
        undo.pop_all()
        if pipe:
            pipe.close_writing_end()
        _RUNNING.add(pid)
        return ChildProcess(pid, report, stack, pipe)


class ChildProcess:
    """An attempt in a child process: the leader of a process group of its own."""

    def __init__(self, pid: int, report: int, stack: int, pipe: Pipe | None = None) -> None:
        self.pid = pid
        self._pipe = pipe
        self._read_last = 0  # bytes
        self._report = report
        self._stack = stack
        # Both sides set the group, so that it is set whoever is first.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)

    def poll(self) -> Ending | None:
        """Reap the child if it has ended, and end what it has left behind."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            self._end_what_is_left()
            return Ending(Failure("the run's process was lost: somebody else reaped it"))
        if pid == 0:
            if self._pipe:
                self._read_last = self._pipe.read()
            return None
        self._end_what_is_left()
        report, stack = _content(self._report), _content(self._stack)
        os.close(self._report)
        os.close(self._stack)
        return Ending(_failure(os.waitstatus_to_exitcode(status), report, stack))

    def poll_within(self) -> float | None:
        """Return a short time while the process prints past Python: who prints waits when the pipe is full."""
        if not self._read_last:
            return None
        return POLL_SOON if self._read_last < FULL else 0.0

    def _end_what_is_left(self) -> None:
        self._kill_group()
        _RUNNING.discard(self.pid)
        orphans.end(_RUNNING)
        if self._pipe:
            self._pipe.close()
            self._pipe = None

    def ask_stack(self) -> None:
        """Send the signal on which the child dumps the stacks of all its threads."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, STACK_SIGNAL)

    def stack(self) -> str:
        """Return what the child has dumped."""
        return _content(self._stack)

    def terminate(self) -> None:
        """Send SIGTERM to the child."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGTERM)

    def kill(self) -> None:
        """Kill the child, its process group and what it has started elsewhere; `poll` reaps it."""
        orphans.kill_descendants(self.pid)
        self._kill_group()
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)

    def _kill_group(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)


def _child(files: _Files, pipe: Pipe | None, run: Run, attempt: Callable[[Run], Failure | None]) -> None:
    """Be the child: run the attempt, write the report, end. Nothing of the loop's may be undone here, so no clean-up."""
    code, report = 1, files.report
    try:
        become_run(files.stack, run)
        if pipe:
            pipe.put_at_standard_files()
            pipe.forget()
        failure = attempt(run)
        write_report(report, failure)
        code = 0 if failure is None else 1
    except BaseException as error:  # noqa: BLE001 - a fork that leaked out of here would be a second loop
        write_report(report, Failure(f"the run could not be set up: {type(error).__name__}: {error}"))
    finally:
        os._exit(code)


def become_run(stack: int, run: Run) -> None:
    """Turn a freshly forked process into a run's: its own group, default signals, first to go when memory runs out."""
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, LOOK):
        signal.signal(number, signal.SIG_DFL)
    answer_stack(stack)
    _RUNNING.clear()
    orphans.adopt()
    # If the loop dies, nobody is left to enforce the time-out: SIGALRM's default ends this process. A stream, which
    # has no end, looks for its loop at every beat.
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if not run.bot.is_stream:
        signal.alarm(int(run.bot.timeout.total_seconds()) + SELF_DESTRUCT_MARGIN)
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def answer_stack(stack: int) -> None:
    """Dump all stacks into the file descriptor when the loop asks, also while C code runs, and when the process crashes."""
    faulthandler.enable(file=stack, all_threads=True)
    faulthandler.register(STACK_SIGNAL, file=stack, all_threads=True)


def write_report(report: int, failure: Failure | None) -> None:
    """Leave the attempt's end for the loop to read."""
    content = {
        "failure": None if failure is None else {"error": _cut(failure.error), "traceback": _cut(failure.traceback)}
    }
    os.ftruncate(report, 0)
    os.pwrite(report, json.dumps(content).encode(), 0)


def _cut(text: str) -> str:
    left_out = len(text) - LONGEST_REPORT
    if left_out <= 0:
        return text
    half = LONGEST_REPORT // 2
    return f"{text[:half]} [{left_out} characters left out] {text[-half:]}"


def _failure(code: int, report: str, stack: str) -> Failure | None:
    """Tell how the attempt ended: its exit code (negative: a signal), its report and the stack of its crash, or none."""
    try:
        content = json.loads(report)
        failure = content["failure"]
        return Failure(failure["error"], failure["traceback"]) if failure else None
    except (ValueError, KeyError, TypeError):
        pass
    if code == -signal.SIGKILL:
        return Failure(
            "the run was killed by SIGKILL: it used more memory than the container may, or somebody killed it"
        )
    if code < 0:
        name = signal.Signals(-code).name if -code in signal.valid_signals() else str(-code)
        return Failure(
            f"the run's process crashed with {name}"
            + (" (a segmentation fault in native code)" if name == "SIGSEGV" else ""),
            _cut(stack),
        )
    return Failure(f"the run's process ended itself with exit code {code} (os._exit) before the strategy returned")


def _content(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")
