"""The folder watcher: waits until a file in one of some folders changes (inotify), so that nothing has to be polled."""

import os
import select
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from inotify_simple import INotify, flags

_INTERESTING = (
    flags.MODIFY | flags.MOVED_TO | flags.CREATE | flags.DELETE | flags.DELETE_SELF | flags.MOVE_SELF | flags.ONLYDIR
)
_HEARTBEATS = ("beat.json", "standby.json", "streams", "answers.json")
COLLECT = 0.02  # seconds to wait for more after the first change: lines seldom come alone


class FolderWatcher:
    """Watches folders, each under a name. Where the kernel has no inotify, nothing is reported; see `works`."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._notify: INotify | None = None
        with suppress(OSError):
            self._notify = INotify()
        self._names: dict[int, str] = {}  # watch → name
        self._changed: set[str] = set()
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        if self._notify is not None:
            self._poll.register(self._notify, select.POLLIN)

    @property
    def works(self) -> bool:
        """Return whether changes can be reported."""
        return self._notify is not None

    def watch(self, folders: Mapping[str, Path]) -> None:
        """Watch those of the folders that exist and are not watched yet."""
        known = set(self._names.values())
        for name, folder in folders.items():
            if name not in known and self._notify is not None:
                with suppress(OSError):  # it does not exist yet
                    self._names[self._notify.add_watch(folder, _INTERESTING)] = name
                    self._changed.add(name)  # changes from before it was watched

    def unwatched(self, names: Iterable[str]) -> set[str]:
        """Return those of the names that are not watched."""
        return set(names) - set(self._names.values())

    def changed(self) -> set[str]:
        """Return the names of the folders that have changed since the last call."""
        self._read_events()
        changed, self._changed = self._changed, set()
        return changed

    def wait(self, seconds: float) -> None:
        """Return when a folder changes, after `wake`, or after so many seconds."""
        end = time.monotonic() + seconds
        while not self._changed and (left := end - time.monotonic()) > 0:
            for descriptor, _ in self._poll.poll(left * 1000):
                if descriptor == self._wake:
                    os.eventfd_read(self._wake)
                    return
            self._read_events()
        if self._changed and (left := end - time.monotonic()) > 0:
            time.sleep(min(COLLECT, left))

    def wake(self) -> None:
        """End `wait`; may be called from any thread and any signal handler."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Stop watching."""
        os.close(self._wake)
        if self._notify is not None:
            self._notify.close()

    def _read_events(self) -> None:
        for event in self._notify.read(timeout=0) if self._notify is not None else ():
            self._handle(event.wd, event.mask, event.name)

    def _handle(self, number: int, mask: int, file: str) -> None:
        if mask & flags.Q_OVERFLOW:
            self._changed.update(self._names.values())
        elif mask & flags.IGNORED:
            self._names.pop(number, None)  # the folder was removed: it is watched again when it is made again
        elif number in self._names and file not in _HEARTBEATS and not file.startswith("."):
            self._changed.add(self._names[number])
            if mask & flags.MOVE_SELF and self._notify is not None:
                with suppress(OSError):  # it is gone by now
                    self._notify.rm_watch(number)
