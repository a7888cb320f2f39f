"""Processes that a strategy has started and left behind: they end with its run, also in sessions of their own.

A process whose parent ends becomes a child of the nearest ancestor that takes such orphans in (prctl(2),
PR_SET_CHILD_SUBREAPER). A run's process takes in those of its own children, and the loop those of its runs; so what is left
of a run is found among the children of who outlives it, however it detached itself.
"""

import contextlib
import os
import signal
import time
from collections.abc import Collection
from pathlib import Path

_PR_SET_PDEATHSIG = 1
_PR_SET_CHILD_SUBREAPER = 36
_ROUNDS = 200  # of killing and reaping; a process that does not die is waiting for a disk, and is found the next time
_PAUSE = 0.001  # seconds between two rounds


class _Adopting:
    process = 0  # which process takes orphans in
    kept: frozenset[int] = frozenset()  # children that belong to no run, such as a helper that an import has started


def adopt() -> None:
    """Let this process take in the orphans of its descendants."""
    if _prctl(_PR_SET_CHILD_SUBREAPER, 1):
        _Adopting.process, _Adopting.kept = os.getpid(), frozenset()


def end_with_parent() -> None:
    """Let the kernel end this process as soon as the loop that has forked it ends. To be called before `adopt`."""
    if _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL) and _Adopting.process not in {0, os.getppid()}:
        os._exit(1)  # the loop has ended already


def _prctl(option: int, value: int) -> bool:
    # What ctypes itself is made of: the package around it would cost a strategy's loop half a megabyte.
    with contextlib.suppress(ImportError, OSError, AttributeError):
        import _ctypes  # noqa: PLC0415 - not everywhere

        prctl = _ctypes.dlsym(_ctypes.dlopen(None, 0), "prctl")  # type: ignore[arg-type] # None is the program itself
        return bool(_ctypes.call_function(prctl, (option, value, 0, 0, 0)) == 0)
    return False


def keep_children() -> None:
    """Leave the children of this moment alone: the strategy's import has started them for all runs."""
    _Adopting.kept = frozenset(_children(os.getpid()))


def end(known: Collection[int] = ()) -> None:
    """Kill and reap this process's children but the known ones, and all that they leave in turn."""
    if _Adopting.process != os.getpid():
        return
    for _ in range(_ROUNDS):
        found = [child for child in _children(os.getpid()) if child not in known and child not in _Adopting.kept]
        if not found:
            return
        for child in found:
            _kill(child)
        for child in found:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(child, os.WNOHANG)
        time.sleep(_PAUSE)


def kill_descendants(process: int) -> None:
    """Kill what a process has started, and what that has started, as far as their parents are still there."""
    for child in _children(process):
        kill_descendants(child)
        _kill(child)


def _kill(process: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.kill(process, signal.SIGKILL)


def _children(process: int) -> list[int]:
    """Return the process's children."""
    found: list[int] = []
    with contextlib.suppress(OSError):
        for thread in Path(f"/proc/{process}/task").iterdir():
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                found += [int(one) for one in (thread / "children").read_text().split()]
    return found
