"""The processes of runs: started from the loop, watched, ended. The loop itself never runs strategy code of a run."""

import contextlib
import os
import signal
from pathlib import Path
from typing import Protocol

from openbell.records import dataclass
from openbell.runner import orphans
from openbell.runner.output import Pipe
from openbell.runner.report import Failure, failure_of
from openbell.runner.start_signal import StartSignal
from openbell.strategy.run_state import Run

STACK_SIGNAL = signal.SIGUSR2  # asks a run's process for the stack that it is in
POLL_SOON = 0.1  # seconds between two reads of what a run prints past Python
FULL = 1 << 18  # bytes in one read after which the next one follows at once
PAGE = os.sysconf("SC_PAGE_SIZE")  # bytes
RUNNING: set[int] = set()  # the processes of this process's runs


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


class ArmedProcess(RunProcess, Protocol):
    """An attempt that is ready to begin and waits."""

    def seconds_to_get_ready(self) -> float | None:
        """Return how long the process took until it waited; None while it has not come that far."""

    def memory(self) -> int:
        """Return the bytes that this process has for itself."""

    def release(self) -> RunProcess | None:
        """Let the attempt begin; None if the process has ended before."""


class Launcher(Protocol):
    """Starts attempts."""

    def start(self, run: Run) -> RunProcess:
        """Start one attempt in a process of its own; OSError if there can be no process now."""


class ArmingLauncher(Launcher, Protocol):
    """Starts attempts, also ahead of their slots."""

    def arm(self, run: Run) -> ArmedProcess:
        """Start a process that gets ready for an attempt and waits; OSError if there can be no process now."""


class ChildProcess:
    """An attempt in a child process: the leader of a process group of its own."""

    def __init__(
        self, pid: int, report: int, stack: int, pipe: Pipe | None = None, start: StartSignal | None = None
    ) -> None:
        """start: what the process waits for, if it was started ahead of its slot."""
        self.pid = pid
        self._start = start
        self._pipe = pipe
        self._read_last = 0  # bytes
        self._report = report
        self._stack = stack
        # Both sides set the group, so that it is set by the first of them.
        with contextlib.suppress(OSError):
            os.setpgid(pid, pid)

    def poll(self) -> Ending | None:
        """Reap the child if it has ended, and end what it has left behind."""
        try:
            pid, status = os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            self._end_what_is_left()
            return Ending(Failure("the run's process was lost: other code waited for it"))
        if pid == 0:
            if self._pipe:
                self._read_last = self._pipe.read()
            return None
        self._end_what_is_left()
        if self._start is not None:
            self._start.close()
        report, stack = _content(self._report), _content(self._stack)
        os.close(self._report)
        os.close(self._stack)
        return Ending(failure_of(os.waitstatus_to_exitcode(status), report, stack))

    def poll_within(self) -> float | None:
        """Return a short time while the process prints past Python: who prints waits when the pipe is full."""
        if not self._read_last:
            return None
        return POLL_SOON if self._read_last < FULL else 0.0

    def _end_what_is_left(self) -> None:
        self._kill_group()
        RUNNING.discard(self.pid)
        orphans.end(RUNNING)
        if self._pipe:
            self._pipe.close()
            self._pipe = None

    def seconds_to_get_ready(self) -> float | None:
        """Return how long the process took until it waited; None while it has not come that far."""
        return self._start.seconds_to_get_ready() if self._start is not None else None

    def memory(self) -> int:
        """Return the bytes that the process has for itself, roughly: what it has made its own since the fork."""
        with contextlib.suppress(OSError):
            _, resident, shared, *_ = Path(f"/proc/{self.pid}/statm").read_text().split()
            return (int(resident) - int(shared)) * PAGE
        return 0

    def release(self) -> "ChildProcess | None":
        """Let the attempt begin; None if the process has ended before."""
        return self if self._start is not None and self._start.release() else None

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


def _content(file: int) -> str:
    return os.pread(file, os.fstat(file).st_size, 0).decode(errors="replace")
