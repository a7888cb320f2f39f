"""The journal reader: yields the new lines of all journals, a batch at a time.

A journal that cannot be read, or that is written faster than it can be read, does not delay the others. Where the kernel has
inotify, the reader is told which folders have changed, so that nothing has to be polled.
"""

import os
import select
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

import orjson
from inotify_simple import INotify, flags

from openbell import foreign_files
from openbell.foreign_files import DEEPEST, ForeignFileError, parse_object
from openbell.journal import Event, days
from openbell.journal.follower import MOST_BYTES, Follower

FULL_SCAN = timedelta(seconds=60)  # between two scans of all files; in between only the newest days are read
POLL = timedelta(seconds=5)  # between two reads of journals without a notification, in case one was lost
BATCH_TOTAL = 5_000  # events of all strategies in one batch, so that a step stays short
MOST_FOLDERS = 1_000  # strategies; further folders in the root are ignored
_DAY = timedelta(days=1)
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


class JournalReader:
    """Reads all journals below a root, from stored positions on."""

    def __init__(self, root: Path, positions: Mapping[str, int], keep_days: int) -> None:
        self.root = root
        self.root_error = ""  # why no journal can be read at all
        self.errors: dict[str, str] = {}  # strategy → why its journal cannot be read
        self.behind: set[str] = set()  # strategies with lines that wait for the next batch
        self.trusts_watcher = True  # until a notification was lost
        self._follower = Follower(root, positions, decode)
        self._keep = timedelta(days=keep_days)
        self._scanned_at: datetime | None = None
        self._polled_at: datetime | None = None
        self._unfinished: set[str] = set()  # strategies whose older files are not read to their end
        self._waiting: set[str] = set()  # strategies that the last batch did not reach
        self._caught_up: set[str] = set()  # strategies whose journals were read up to their ends once
        self._unnotified: set[str] = set()  # strategies without a notification
        self._missed: set[str] = set()  # strategies that had new lines all the same

    @property
    def positions(self) -> dict[str, int]:
        """How far each file is read."""
        return self._follower.positions

    @property
    def unreadable(self) -> int:
        """How many lines could not be read so far."""
        return self._follower.unreadable

    def is_up_to_date(self, strategy: str) -> bool:
        """Return whether the last batch has read the strategy's journal to its end."""
        return strategy not in self.behind and not self.error_of(strategy)

    def is_read(self, strategy: str) -> bool:
        """Return whether the strategy's journal has been read to its end once since the start, or cannot be read."""
        return strategy in self._caught_up or bool(self.error_of(strategy))

    def error_of(self, strategy: str) -> str:
        """Return why the strategy's journal cannot be read, or an empty text."""
        return self.root_error or self.errors.get(strategy, "")

    def unread_bytes(self, strategy: str) -> int:
        """Return how many bytes of the strategy's journal are not read yet."""
        left = 0
        with suppress(OSError):  # an unreadable journal is reported by `error_of`
            for _, path in days(self.root / strategy):
                size = foreign_files.size_of(path, self.root)
                left += max(0, size - self.positions.get(f"{strategy}/{path.name}", 0))
        return left

    def read_batch(
        self, strategies: Iterable[str], now: datetime, limit: int, watcher: FolderWatcher | None = None
    ) -> Iterator[tuple[str, list[Event]]]:
        """Yield new events, those of a strategy together with its name.

        At most `limit` of each strategy and about BATCH_TOTAL of all; the strategies that had to wait come first the next time.
        The other methods describe a batch only after it was consumed. With a watcher, journals without a notification are
        read seldom.
        """
        full = not _is_recent(FULL_SCAN, self._scanned_at, now)
        self.root_error = ""
        try:
            present = set(foreign_files.folders(self.root, MOST_FOLDERS)) if full else set()
            if not full:
                self.root.stat()
        except OSError as error:
            _raise_shortage(error)
            self.root_error = f"{self.root} cannot be read ({error.strerror})"
            self._scanned_at = None
            return
        everyone = present.union(strategies)
        unchanged = self._unchanged(everyone, now, watcher, full=full)
        if full:
            self._scanned_at = now
            self._unfinished |= everyone
        unnotified = self._unnotified
        waiting, self._waiting, self.behind = self._waiting, set(), set()
        taken = 0
        for strategy in sorted(everyone - unchanged, key=lambda name: (name not in waiting, name)):
            if taken >= BATCH_TOTAL:
                self.behind.add(strategy)
                self._waiting.add(strategy)
                continue
            if events := self._read_one(strategy, now, limit):
                yield strategy, events
            if strategy in self.errors:
                continue
            count = len(events)
            taken += count
            if count and strategy in unnotified:
                self._missed.add(strategy)
            if count < limit and not self._follower.is_cut:
                self._unfinished.discard(strategy)
                self._caught_up.add(strategy)
            else:
                self.behind.add(strategy)
                self._unfinished.add(strategy)

    def _read_one(self, strategy: str, now: datetime, limit: int) -> list[Event]:
        events: list[Event] = []
        self.errors.pop(strategy, None)
        try:
            events.extend(islice(self._follower.follow(self._paths(strategy, now), MOST_BYTES), limit))
        except OSError as error:
            _raise_shortage(error)
            self.errors[strategy] = _message(error, self.root / strategy)
        return events

    def _unchanged(self, everyone: set[str], now: datetime, watcher: FolderWatcher | None, *, full: bool) -> set[str]:
        """Return the strategies that need not be read, since their folders have not changed."""
        self._unnotified = set()
        if watcher is None or not watcher.works or not self.trusts_watcher:
            return set()
        if poll := full or not _is_recent(POLL, self._polled_at, now):
            self._polled_at = now
            watcher.watch({strategy: self.root / strategy for strategy in everyone})
        changed = watcher.changed()
        # New lines that were found without a notification must have one by now, or this file system sends none.
        self.trusts_watcher = self._missed <= changed
        self._missed = set()
        busy = changed | self.behind | self._unfinished | self.errors.keys() | watcher.unwatched(everyone)
        self._unnotified = everyone - busy
        return set() if poll else self._unnotified

    def _paths(self, strategy: str, now: datetime) -> list[Path]:
        folder = self.root / strategy
        return self._all(folder, now) if strategy in self._unfinished else self._newest(folder, now)

    def _all(self, folder: Path, now: datetime) -> list[Path]:
        oldest = (now - self._keep).date()
        return [path for day, path in days(folder) if day >= oldest]

    def _newest(self, folder: Path, now: datetime) -> list[Path]:
        today = now.astimezone(UTC).date()
        return [folder / f"{today + _DAY * shift}.jsonl" for shift in (-1, 0, 1)]

    def forget_positions(self, now: datetime) -> None:
        """Forget how far files were read that are older than what is kept at `now`."""
        oldest = (now - self._keep - _DAY).date().isoformat()
        for name in [name for name in self.positions if Path(name).stem < oldest]:
            del self.positions[name]


def decode(line: bytes) -> Event:
    """Return the object that a line holds, as `parse_object` does, in a fifth of the time.

    What orjson refuses (infinity, half a surrogate pair) and what may be nested too deeply is left to `parse_object`.
    """
    try:
        found = orjson.loads(line)
    except orjson.JSONDecodeError:
        return parse_object(line)
    if type(found) is dict and line.count(b"{") + line.count(b"[") <= DEEPEST:
        return found
    return parse_object(line)


def _raise_shortage(error: OSError) -> None:
    """Raise the error again if it is no fault of the journal."""
    if foreign_files.is_shortage(error):
        raise error


def _message(error: OSError, folder: Path) -> str:
    if isinstance(error, ForeignFileError):
        return str(error)
    return f"{error.filename or folder} cannot be read ({error.strerror})"


def _is_recent(span: timedelta, before: datetime | None, now: datetime) -> bool:
    return before is not None and timedelta(0) <= now - before < span
