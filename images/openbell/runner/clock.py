"""Time, as the loop sees it. The one place of the runner that reads a clock or waits."""

import os
import select
import signal
import time
from datetime import UTC, datetime
from typing import Protocol

LONGEST_WAIT = 1.0  # seconds; a clock step or a resume from suspend is noticed within it


class Clock(Protocol):
    """What the loop needs to know of time."""

    def now(self) -> datetime:
        """Return the wall clock's instant, aware UTC."""

    def elapsed(self) -> float:
        """Return seconds that no clock step disturbs, for durations."""

    def wait(self, seconds: float) -> None:
        """Return after `seconds`, or sooner when something has happened."""


class SystemClock:
    """The machine's clock; a wait ends early when a signal arrives (a child ended, the container is to stop)."""

    def __init__(self) -> None:
        self._wake, wake_end = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_end, warn_on_full_buffer=False)
        # Without a handler SIGCHLD is ignored and wakes nobody.
        signal.signal(signal.SIGCHLD, lambda *_: None)

    def now(self) -> datetime:
        """Return the wall clock's instant, aware UTC."""
        return datetime.now(UTC)

    def elapsed(self) -> float:
        """Return the monotonic clock's seconds."""
        return time.monotonic()

    def wait(self, seconds: float) -> None:
        """Wait on the pipe that signals write to: select takes fractions of a millisecond, unlike poll."""
        readable, _, _ = select.select([self._wake], [], [], max(0.0, seconds))
        if readable:
            try:
                while os.read(self._wake, 512):
                    pass
            except BlockingIOError:
                pass
