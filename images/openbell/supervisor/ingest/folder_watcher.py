"""The folder watcher: waits until a file in one of some folders changes (inotify), so that nothing has to be polled."""

import ctypes
import os
import select
import struct
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

_MODIFY, _MOVED_TO, _CREATE, _DELETE, _DELETE_SELF, _MOVE_SELF = 0x2, 0x80, 0x100, 0x200, 0x400, 0x800
_OVERFLOW, _IGNORED, _ONLY_FOLDERS = 0x4000, 0x8000, 0x01000000
_INTERESTING = _MODIFY | _MOVED_TO | _CREATE | _DELETE | _DELETE_SELF | _MOVE_SELF
_HEAD = struct.Struct("iIII")
_HEARTBEATS = (b"beat.json", b"streams")
COLLECT = 0.02  # seconds to wait for more after the first change: lines seldom come alone


class FolderWatcher:
    """Watches folders, each under a name. Where the kernel has no inotify, nothing is reported; see `works`."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._notify: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._names: dict[int, str] = {}  # watch → name
        self._changed: set[str] = set()
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        if self.works:
            self._poll.register(self._notify, select.POLLIN)

    @property
    def works(self) -> bool:
        """Return whether changes can be reported."""
        return self._notify >= 0

    def watch(self, folders: Mapping[str, Path]) -> None:
        """Watch those of the folders that exist and are not watched yet."""
        known = set(self._names.values())
        for name, folder in folders.items():
            if name not in known and self.works:
                path = os.fsencode(folder)
                number = self._libc.inotify_add_watch(self._notify, path, _INTERESTING | _ONLY_FOLDERS)
                if number >= 0:
                    self._names[number] = name
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
        for descriptor in (self._wake, self._notify):
            if descriptor >= 0:
                os.close(descriptor)

    def _read_events(self) -> None:
        while self.works:
            try:
                events = os.read(self._notify, 65536)
            except BlockingIOError:
                return
            position = 0
            while position < len(events):
                number, mask, _, length = _HEAD.unpack_from(events, position)
                position += _HEAD.size + length
                self._handle(number, mask, events[position - length : position].rstrip(b"\0"))

    def _handle(self, number: int, mask: int, file: bytes) -> None:
        if mask & _OVERFLOW:
            self._changed.update(self._names.values())
        elif mask & _IGNORED:
            self._names.pop(number, None)  # the folder was removed: it is watched again when it is made again
        elif number in self._names and file not in _HEARTBEATS and not file.startswith(b"."):
            self._changed.add(self._names[number])
            if mask & _MOVE_SELF:
                self._libc.inotify_rm_watch(self._notify, number)
