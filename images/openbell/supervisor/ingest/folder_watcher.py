"""Ears: wait until one of the journals has something new, without looking at all of them again and again (inotify)."""

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
_BEATS = (b"beat.json", b"streams")
LINGER = 0.02  # seconds; lines seldom come alone


class FolderWatcher:
    """Listens to folders, each under a name. Where the kernel offers no inotify, it hears nothing; see `works`."""

    def __init__(self) -> None:
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._notify: int = self._libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        self._names: dict[int, str] = {}  # watch → name
        self._heard: set[str] = set()
        self._poll = select.poll()
        self._poll.register(self._wake, select.POLLIN)
        if self.works:
            self._poll.register(self._notify, select.POLLIN)

    @property
    def works(self) -> bool:
        """Tell whether anything can be heard."""
        return self._notify >= 0

    def listen(self, folders: Mapping[str, Path]) -> None:
        """Listen to those folders that nobody listens to yet and that exist."""
        known = set(self._names.values())
        for name, folder in folders.items():
            if name not in known and self.works:
                path = os.fsencode(folder)
                number = self._libc.inotify_add_watch(self._notify, path, _INTERESTING | _ONLY_FOLDERS)
                if number >= 0:
                    self._names[number] = name
                    self._heard.add(name)  # what came before somebody listened

    def deaf_to(self, names: Iterable[str]) -> set[str]:
        """Return the names of which nothing can be heard."""
        return set(names) - set(self._names.values())

    def heard(self) -> set[str]:
        """Return the names of the folders with something new since this was last asked."""
        self._take()
        heard, self._heard = self._heard, set()
        return heard

    def wait(self, seconds: float) -> None:
        """Return when there is something new, when somebody wakes the sleeper, or after so many seconds."""
        end = time.monotonic() + seconds
        while not self._heard and (left := end - time.monotonic()) > 0:
            for descriptor, _ in self._poll.poll(left * 1000):
                if descriptor == self._wake:
                    os.eventfd_read(self._wake)
                    return
            self._take()
        if self._heard and (left := end - time.monotonic()) > 0:
            time.sleep(min(LINGER, left))

    def wake(self) -> None:
        """Wake the sleeper; any thread and any signal handler may."""
        os.eventfd_write(self._wake, 1)

    def close(self) -> None:
        """Stop listening."""
        for descriptor in (self._wake, self._notify):
            if descriptor >= 0:
                os.close(descriptor)

    def _take(self) -> None:
        while self.works:
            try:
                told = os.read(self._notify, 65536)
            except BlockingIOError:
                return
            place = 0
            while place < len(told):
                number, mask, _, length = _HEAD.unpack_from(told, place)
                place += _HEAD.size + length
                self._hear(number, mask, told[place - length : place].rstrip(b"\0"))

    def _hear(self, number: int, mask: int, file: bytes) -> None:
        if mask & _OVERFLOW:
            self._heard.update(self._names.values())
        elif mask & _IGNORED:
            self._names.pop(number, None)  # the folder is gone: whoever makes it again is listened to anew
        elif number in self._names and file not in _BEATS and not file.startswith(b"."):
            self._heard.add(self._names[number])
            if mask & _MOVE_SELF:
                self._libc.inotify_rm_watch(self._notify, number)
