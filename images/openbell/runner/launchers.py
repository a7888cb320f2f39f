"""Starts the processes of runs: forked from the loop, or new interpreters."""

import contextlib
import faulthandler
import os
import signal
import threading
from collections.abc import Callable

from openbell import journal
from openbell.runner.child import Attempt, Files, be_child
from openbell.runner.output import Pipe, PrintedLines
from openbell.runner.processes import RUNNING, STACK_SIGNAL, ArmedProcess, ChildProcess, RunProcess
from openbell.runner.report import Failure
from openbell.runner.start_signal import StartSignal, WaitForStart
from openbell.strategy.run_state import Run

ECHO = "OPENBELL_ECHO"  # tells a new interpreter at which descriptor the real standard output is

# Returns what becomes of the lines that a run prints past Python, at the descriptors 1 and 2.
Printer = Callable[[Run], PrintedLines]


def _nothing() -> None:
    """Do nothing."""


class ForkLauncher:
    """Starts each attempt in a child forked from this process, warm: all imports are there already.

    attempt: what the child does. arm_watchdog: called in this process after each fork.
    """

    def __init__(
        self,
        attempt: Attempt,
        arm_watchdog: Callable[[], None] = _nothing,
        printer: Printer | None = None,
    ) -> None:
        self._attempt = attempt
        self._arm_watchdog = arm_watchdog
        self._printer = printer

    def start(self, run: Run) -> RunProcess:
        """Fork; the child never returns."""
        return _fork(run, lambda _: self._attempt, self._arm_watchdog, self._printer)

    def arm(self, run: Run) -> ArmedProcess:
        """Fork a child that waits before it calls the strategy."""
        signal = StartSignal()
        return _fork(run, lambda _: self._attempt, self._arm_watchdog, self._printer, signal)


class FreshLauncher:
    """Starts each attempt in a new interpreter, for strategies whose libraries do not survive a fork.

    command: returns the argument list that runs one attempt with the descriptors it is given.
    """

    def __init__(
        self,
        command: Callable[[Run, Files], list[str]],
        arm_watchdog: Callable[[], None] = _nothing,
        printer: Printer | None = None,
    ) -> None:
        self._command = command
        self._arm_watchdog = arm_watchdog
        self._printer = printer

    def start(self, run: Run) -> RunProcess:
        """Fork and execute the command."""
        return _fork(run, self._execute, self._arm_watchdog, self._printer)

    def arm(self, run: Run) -> ArmedProcess:
        """Fork and execute the command, which waits before it calls the strategy."""
        return _fork(run, self._execute, self._arm_watchdog, self._printer, StartSignal())

    def _execute(self, files: Files) -> Attempt:
        def execute(run: Run, _: WaitForStart) -> Failure | None:
            command = self._command(run, files)
            for file in (*files, journal.echo_file()):
                if file >= 0:
                    os.set_inheritable(file, True)  # noqa: FBT003 - positional only
            os.environ[ECHO] = str(journal.echo_file())
            # Until the new interpreter answers to it, being asked for the stack must not end it.
            signal.signal(STACK_SIGNAL, signal.SIG_IGN)
            os.execv(command[0], command)  # noqa: S606 - our own interpreter, no shell

        return execute


def _fork(
    run: Run,
    attempt: Callable[[Files], Attempt],
    arm_watchdog: Callable[[], None],
    printer: Printer | None,
    start: StartSignal | None = None,
) -> ChildProcess:
    with contextlib.ExitStack() as undo:
        if start:
            undo.callback(start.close)
        pipe = Pipe(printer(run)) if printer else None
        if pipe:
            undo.callback(pipe.close)
        report = os.memfd_create("openbell-report", os.MFD_CLOEXEC)
        undo.callback(os.close, report)
        stack = os.memfd_create("openbell-stack", os.MFD_CLOEXEC)
        undo.callback(os.close, stack)
        files = Files(report, stack, start.waiting_end if start else -1)
        function = attempt(files)
        # Until the child answers to it, being asked for its stack must not end it. The loop has no use for it itself.
        # (In a function it may be called on another thread than the main one, which cannot ask for that.)
        if threading.current_thread() is threading.main_thread():
            signal.signal(STACK_SIGNAL, signal.SIG_IGN)
        # The watchdog is a native thread, which a fork would not carry over.
        faulthandler.cancel_dump_traceback_later()
        try:
            pid = os.fork()
            if pid == 0:
                be_child(files, pipe, run, function)
        finally:
            arm_watchdog()
        undo.pop_all()
        if pipe:
            pipe.close_writing_end()
        if start:
            start.hand_over()
        RUNNING.add(pid)
        return ChildProcess(pid, report, stack, pipe, start)
