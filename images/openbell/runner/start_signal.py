"""What a run's process waits for before it calls the strategy, when it was started ahead of its slot.

Both ends are one pair of sockets. The process says how long it took to get ready, and waits. The loop sends one byte; a loop
that ended, or that does not need the process any more, closes its end, and the process ends without a trace.
"""

import _socket  # the part of `socket` in C: the rest makes enums of all constants, a quarter of a megabyte in each idle loop
import contextlib
import os
from collections.abc import Callable

# Makes the process wait until its run may begin; returns at once if it may already.
WaitForStart = Callable[[], None]

_GO = b"go"
_SECONDS = 32  # bytes that hold how long it took, as text

# The loop's ends that are open in this process. A forked child closes them: each copy would keep a process waiting.
_OPEN: set[_socket.socket] = set()


class StartSignal:
    """The loop's end: releases one waiting process."""

    def __init__(self) -> None:
        self._ours, self._theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        self._ours.setblocking(False)  # noqa: FBT003 - positional only
        _OPEN.add(self._ours)

    @property
    def waiting_end(self) -> int:
        """The descriptor that the process waits on, until `hand_over` is called."""
        return self._theirs.fileno()

    def hand_over(self) -> None:
        """Leave the other end to the process."""
        self._theirs.close()

    def seconds_to_get_ready(self) -> float | None:
        """Return how long the process took until it waited; None while it has not reported that."""
        with contextlib.suppress(OSError, ValueError):
            return float(self._ours.recv(_SECONDS))
        return None

    def release(self) -> bool:
        """Let the run begin; False if the process is not there any more."""
        try:
            self._ours.send(_GO)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Give up both ends: a process that still waits ends."""
        _OPEN.discard(self._ours)
        self._ours.close()
        self._theirs.close()


def close_inherited() -> None:
    """Close the loop's ends in a process that was forked from the loop."""
    for one in _OPEN:
        one.close()
    _OPEN.clear()


def wait_at(descriptor: int, seconds_to_get_ready: Callable[[], float]) -> None:
    """Say that this process is ready, and return when its run may begin; end the process if it never may.

    The descriptor stays open: closing it would take longer than all else that is left to do once the run may begin.
    """
    with contextlib.suppress(OSError):
        os.write(descriptor, f"{seconds_to_get_ready():.6f}".encode())
        if os.read(descriptor, len(_GO)) == _GO:
            return
    os._exit(0)  # nothing of the loop's may be undone here, and nothing of a run has happened


def nothing_to_wait_for() -> None:
    """Return at once: the slot is there already."""
