"""The first and the last thing that the process of a run does."""

import contextlib
import faulthandler
import os
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import NamedTuple

from openbell.paths import EPOCH
from openbell.runner import orphans
from openbell.runner.loop_lock import READ_REQUESTS
from openbell.runner.output import Pipe
from openbell.runner.processes import RUNNING, STACK_SIGNAL
from openbell.runner.report import Failure, write_report
from openbell.runner.start_signal import WaitForStart, close_inherited, nothing_to_wait_for, wait_at
from openbell.strategy.run_state import Run

SELF_DESTRUCT_MARGIN = 30  # seconds after its time-out at which a run whose loop is gone ends by itself
LONGEST_WAIT = 90  # seconds that a process waits for its run's slot at most

# What the process of an attempt does: it gets ready, waits until the run may begin, and returns None or the failure.
Attempt = Callable[[Run, WaitForStart], Failure | None]


class Files(NamedTuple):
    """What connects an attempt with the loop. It leaves its report in memory, since the disk may be full."""

    report: int
    stack: int
    start: int = -1  # where it waits until it may begin; -1 if it may at once


def be_child(files: Files, pipe: Pipe | None, run: Run, attempt: Attempt) -> None:
    """Be the child: run the attempt, write the report, end. Nothing of the loop's may be undone here, so no clean-up."""
    code, report, began = 1, files.report, time.monotonic()
    try:
        close_inherited()
        become_run(files.stack)
        limit(run, LONGEST_WAIT if files.start >= 0 else 0)
        if pipe:
            pipe.put_at_standard_files()
            pipe.forget()
        failure = attempt(run, wait_for_start(run, files.start, began))
        write_report(report, failure)
        code = 0 if failure is None else 1
    except BaseException as error:  # noqa: BLE001 - a fork that leaked out of here would be a second loop
        write_report(report, Failure(f"the run could not be set up: {type(error).__name__}: {error}"))
    finally:
        os._exit(code)


def become_run(stack: int) -> None:
    """Turn a freshly forked process into a run's: its own group, default signals, first to go when memory runs out."""
    with contextlib.suppress(OSError):
        os.setpgid(0, 0)
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, READ_REQUESTS):
        signal.signal(number, signal.SIG_DFL)
    answer_stack(stack)
    RUNNING.clear()
    if os.environ.get(EPOCH):  # another host may run the strategy soon after this loop has ended
        orphans.end_with_parent()
    orphans.adopt()
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


def answer_stack(stack: int) -> None:
    """Dump all stacks into the file descriptor when the loop asks, also while C code runs, and when the process crashes."""
    faulthandler.enable(file=stack, all_threads=True)
    faulthandler.register(STACK_SIGNAL, file=stack, all_threads=True)


def limit(run: Run, wait: int = 0) -> None:
    """End this process some time after the run's time-out and the wait before it.

    If the loop dies, no other process enforces the time-out: SIGALRM's default does. A stream, which has no end, checks
    for its loop at every beat.
    """
    signal.signal(signal.SIGALRM, signal.SIG_DFL)
    if not run.bot.is_stream:
        signal.alarm(wait + _longest(run))


def _longest(run: Run) -> int:
    return int(run.bot.timeout.total_seconds()) + SELF_DESTRUCT_MARGIN


def wait_for_start(run: Run, descriptor: int, began: float) -> WaitForStart:
    """Return what makes this process wait at the descriptor; with -1 the run may begin at once.

    began: when the process was started, in seconds of the monotonic clock.
    """
    return nothing_to_wait_for if descriptor < 0 else partial(_wait, run, descriptor, began)


def _wait(run: Run, descriptor: int, began: float) -> None:
    limit(run, LONGEST_WAIT)  # again: an import of the strategy may have taken the signal for itself
    longest = _longest(run)
    wait_at(descriptor, lambda: time.monotonic() - began)
    signal.alarm(longest)
