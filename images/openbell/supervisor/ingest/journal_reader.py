"""The intake: takes in what is new in the journals, a batch at a time.

Trouble with one strategy's journal is kept apart from the others': a folder that cannot be read, or one that is
written faster than it can be read, delays nobody else.
"""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path

from openbell import foreign_files
from openbell.foreign_files import ForeignFileError
from openbell.journal import MOST_BYTES, Event, Follower, days
from openbell.supervisor.ingest.folder_watcher import FolderWatcher

FULL_LOOK = timedelta(seconds=60)  # between two looks at all files; in between only the newest days' are asked for
POLL = timedelta(seconds=5)  # between two looks at what is silent, should the ears have missed it
MOST = 5_000  # events of all strategies that are taken at once, so that nobody else waits long
MOST_FOLDERS = 1_000  # strategies; whatever else lies in the root is not looked at
_DAY = timedelta(days=1)


class JournalReader:
    """Reads all journals below a root, from stored positions on."""

    def __init__(self, root: Path, positions: Mapping[str, int], keep_days: int) -> None:
        self.root = root
        self.trouble = ""  # why no journal can be read at all
        self.troubles: dict[str, str] = {}  # strategy → why its journal cannot be read
        self.behind: set[str] = set()  # strategies with lines that wait for the next batch
        self.trusts_ears = True  # until they have missed something
        self._follower = Follower(root, positions)
        self._keep = timedelta(days=keep_days)
        self._looked_at: datetime | None = None
        self._polled_at: datetime | None = None
        self._unfinished: set[str] = set()  # strategies whose older files are not read to their end
        self._waiting: set[str] = set()  # strategies that the last batch had no time for
        self._caught_up: set[str] = set()  # strategies whose journals were read up to their ends once
        self._unheard: set[str] = set()  # strategies that nothing was heard of
        self._suspects: set[str] = set()  # strategies with news all the same

    @property
    def positions(self) -> dict[str, int]:
        """How far each file is read."""
        return self._follower.positions

    @property
    def unreadable(self) -> int:
        """How many lines were passed over so far."""
        return self._follower.unreadable

    def is_up_to_date(self, strategy: str) -> bool:
        """Tell whether all that the strategy's journal said at the last batch is known."""
        return strategy not in self.behind and not self.trouble_of(strategy)

    def is_read(self, strategy: str) -> bool:
        """Tell whether the strategy's journal was read up to its end since the start, or cannot be read."""
        return strategy in self._caught_up or bool(self.trouble_of(strategy))

    def trouble_of(self, strategy: str) -> str:
        """Return why the strategy's journal cannot be read, or an empty text."""
        return self.trouble or self.troubles.get(strategy, "")

    def left_of(self, strategy: str) -> int:
        """Return how many bytes of the strategy's journal are not read yet."""
        left = 0
        with suppress(OSError):  # what cannot be read is told as trouble
            for _, path in days(self.root / strategy):
                size = foreign_files.size_of(path, self.root)
                left += max(0, size - self.positions.get(f"{strategy}/{path.name}", 0))
        return left

    def batch(
        self, strategies: Iterable[str], now: datetime, limit: int, ears: FolderWatcher | None = None
    ) -> Iterator[tuple[str, Event]]:
        """Yield new events with the strategy whose journal they are in.

        At most `limit` of each strategy and about MOST of all; the strategies that had to wait come first the next time.
        What is said of strategies holds when all is taken. With ears, silent strategies are looked at seldom.
        """
        full = not _is_within(FULL_LOOK, self._looked_at, now)
        self.trouble = ""
        try:
            present = set(foreign_files.folders(self.root, MOST_FOLDERS)) if full else set()
            if not full:
                self.root.stat()
        except OSError as error:
            self.trouble = f"{self.root} cannot be read ({error.strerror})"
            self._looked_at = None
            return
        everyone = present.union(strategies)
        silent = self._silent(everyone, now, ears, full=full)
        if full:
            self._looked_at = now
            self._unfinished |= everyone
            self._forget(now)
        unheard = self._unheard
        waiting, self._waiting, self.behind = self._waiting, set(), set()
        taken = 0
        for strategy in sorted(everyone - silent, key=lambda name: (name not in waiting, name)):
            if taken >= MOST:
                self.behind.add(strategy)
                self._waiting.add(strategy)
                continue
            count = 0
            self.troubles.pop(strategy, None)
            try:
                for event in islice(self._follower.follow(self._paths(strategy, now), MOST_BYTES), limit):
                    count += 1
                    yield strategy, event
            except OSError as error:
                self.troubles[strategy] = _said(error, self.root / strategy)
                continue
            taken += count
            if count and strategy in unheard:
                self._suspects.add(strategy)
            if count < limit and not self._follower.is_cut:
                self._unfinished.discard(strategy)
                self._caught_up.add(strategy)
            else:
                self.behind.add(strategy)
                self._unfinished.add(strategy)

    def _silent(self, everyone: set[str], now: datetime, ears: FolderWatcher | None, *, full: bool) -> set[str]:
        """Return the strategies that need not be looked at, since nothing was heard of them."""
        self._unheard = set()
        if ears is None or not ears.works or not self.trusts_ears:
            return set()
        if poll := full or not _is_within(POLL, self._polled_at, now):
            self._polled_at = now
            ears.listen({strategy: self.root / strategy for strategy in everyone})
        heard = ears.heard()
        # What was found without having been heard is heard of by now, or the ears are no good on this file system.
        self.trusts_ears = self._suspects <= heard
        self._suspects = set()
        busy = heard | self.behind | self._unfinished | self.troubles.keys() | ears.deaf_to(everyone)
        self._unheard = everyone - busy
        return set() if poll else self._unheard

    def _paths(self, strategy: str, now: datetime) -> list[Path]:
        folder = self.root / strategy
        return self._all(folder, now) if strategy in self._unfinished else self._newest(folder, now)

    def _all(self, folder: Path, now: datetime) -> list[Path]:
        oldest = (now - self._keep).date()
        return [path for day, path in days(folder) if day >= oldest]

    def _newest(self, folder: Path, now: datetime) -> list[Path]:
        today = now.astimezone(UTC).date()
        return [folder / f"{today + _DAY * shift}.jsonl" for shift in (-1, 0, 1)]

    def _forget(self, now: datetime) -> None:
        oldest = (now - self._keep - _DAY).date().isoformat()
        for name in [name for name in self.positions if Path(name).stem < oldest]:
            del self.positions[name]


def _said(error: OSError, folder: Path) -> str:
    if isinstance(error, ForeignFileError):
        return str(error)
    return f"{error.filename or folder} cannot be read ({error.strerror})"


def _is_within(span: timedelta, before: datetime | None, now: datetime) -> bool:
    return before is not None and timedelta(0) <= now - before < span
