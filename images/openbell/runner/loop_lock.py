"""One loop a strategy: a lock on the strategy's state that dies with its process."""

import contextlib
import fcntl
import os
import signal
from collections.abc import Callable
from pathlib import Path

from openbell import foreign_files

READ_REQUESTS = signal.SIGUSR1  # asks a loop to read its requests now


class LoopLock:
    """An flock on `<state>/loop.lock`. Runs inherit it, so it is free only when no run of the holder is alive either."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._file = os.open(folder / "loop.lock", os.O_RDWR | os.O_CREAT, 0o666)
        os.set_inheritable(self._file, True)  # noqa: FBT003 - positional only; by runs in a new interpreter too

    def acquire(self, when_held: Callable[[str], None]) -> None:
        """Return once this process holds the lock; `when_held` is told once who holds it if it has to wait."""
        if (holder := self.try_to_acquire()) is not None:
            when_held(holder)
            fcntl.flock(self._file, fcntl.LOCK_EX)
            self._sign()

    def try_to_acquire(self) -> str | None:
        """Take the lock and return None, or return who holds it."""
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return os.pread(self._file, 200, 0).decode(errors="replace").strip() or "a process that left no name"
        self._sign()
        return None

    def _sign(self) -> None:
        os.ftruncate(self._file, 0)
        os.pwrite(self._file, f"process {os.getpid()} on {os.uname().nodename}\n".encode(), 0)


def ask_to_read_requests(folder: Path) -> None:
    """Ask the loop of this machine that holds the strategy to read its requests now; without the signal, it reads them within seconds."""
    with contextlib.suppress(OSError, ValueError, IndexError):
        _, process, _, host = foreign_files.read_bytes(folder / "loop.lock", folder.parent, 200).decode().split()
        if host == os.uname().nodename:
            os.kill(int(process), READ_REQUESTS)
