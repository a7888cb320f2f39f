"""Time, as the loop sees it. The one place of the runner that reads a clock or waits."""

import contextlib
import os
import select
import signal
import sys
import time
from datetime import datetime
from typing import Protocol

from openbell import clock, heartbeat
from openbell.runner.loop_lock import READ_REQUESTS

# A timer of the kernel's ends a wait as soon as the clock is set or the machine resumes. Without it (before Python 3.13,
# or elsewhere than on Linux) the loop looks every second. Waking is what an idle loop costs, so with it the loop wakes no
# more often than it has to beat.
LONGEST_WAIT = heartbeat.INTERVAL if sys.version_info >= (3, 13) and sys.platform == "linux" else 1.0  # seconds


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
        # Without a handler SIGCHLD is ignored and ends no wait; READ_REQUESTS says that a request was left.
        for number in (signal.SIGCHLD, READ_REQUESTS):
            signal.signal(number, lambda *_: None)
        self._timer = _Timer()

    def now(self) -> datetime:
        """Return the wall clock's instant, aware UTC."""
        return clock.now()

    def elapsed(self) -> float:
        """Return the monotonic clock's seconds."""
        return clock.elapsed()

    def wait(self, seconds: float) -> None:
        """Wait on the pipe that signals write to: select takes fractions of a millisecond, unlike poll."""
        seconds = max(0.0, seconds) / clock.SPEED
        readable, _, _ = select.select([self._wake, *self._timer.set(seconds)], [], [], seconds)
        if self._wake in readable:
            with contextlib.suppress(BlockingIOError):
                while os.read(self._wake, 512):
                    pass


class _Timer:
    """A timer on the wall clock that is due at once when that clock is set (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET)."""

    def __init__(self) -> None:
        if sys.version_info >= (3, 13) and sys.platform == "linux":
            self._file = os.timerfd_create(time.CLOCK_REALTIME, flags=os.TFD_NONBLOCK | os.TFD_CLOEXEC)

    def set(self, seconds: float) -> list[int]:
        """Make the timer due in so many seconds; return the file descriptors to wait on, none where there is no timer."""
        if sys.version_info >= (3, 13) and sys.platform == "linux":
            flags = os.TFD_TIMER_ABSTIME | os.TFD_TIMER_CANCEL_ON_SET
            # The error says that the clock was set since the last time: the loop sees that by itself.
            with contextlib.suppress(OSError):
                os.timerfd_settime(self._file, flags=flags, initial=time.time() + seconds)
            return [self._file]
        return []
