"""What is wrong with the machine or with the supervisor itself, as opposed to one strategy: disks without space, damaged files."""

import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.store import connection
from openbell.supervisor.store.connection import DamagedDatabase

LITTLE = 200_000_000  # bytes; with less, a day's journal may not fit
SMALL_SHARE = 0.03  # of the volume, as long as that is not much
MUCH = 2_000_000_000  # bytes that are enough on a disk of any size
FEW_FILES = 0.01  # of the files that the volume can hold
HYSTERESIS = 1.25  # the warning ends only with so much more space, so that it does not flap

CHECK_EVERY = timedelta(seconds=30)
_DATABASES = {"supervisor.sqlite": "the supervisor's store", "alerts.sqlite": "the alerts' store"}
_REBUILT = {
    "supervisor.sqlite": "rebuilt from the journals",
    "alerts.sqlite": "begun anew: what is still wrong is reported again",
}
SKEW = 2.0  # seconds of difference to the other machine's clock that are tolerated, for its answer takes time


@dataclass(frozen=True)
class DiskSpace:
    """A volume: its size and what is free of it, in bytes and in files (0 if it does not count them)."""

    name: str
    device: int
    size: int
    free: int
    files: int = 0
    files_free: int = 0

    def is_short(self, factor: float = 1.0) -> bool:
        """Return whether there is hardly any space left."""
        little = self.free < LITTLE * factor and self.free < self.size / 2
        share = self.free < self.size * SMALL_SHARE * factor and self.free < MUCH * factor
        return little or share or (self.files > 0 and self.files_free < self.files * FEW_FILES * factor)


def measure(folders: Mapping[str, Path]) -> list[DiskSpace]:
    """Return the space of the volumes that can be read."""
    spaces = []
    for name, folder in folders.items():
        try:
            about, device = os.statvfs(folder), folder.stat().st_dev
        except OSError:
            continue  # an unreadable folder is reported elsewhere, by the code that reads it
        size, free = about.f_blocks * about.f_frsize, about.f_bavail * about.f_frsize
        spaces.append(DiskSpace(name, device, size, free, about.f_files, about.f_favail))
    return spaces


def shortage(spaces: Iterable[DiskSpace], *, was_short: bool) -> str:
    """Return where space is short, in words; an empty text if it is nowhere."""
    short: dict[int, list[DiskSpace]] = {}
    for space in spaces:
        if space.is_short(HYSTERESIS if was_short else 1.0):
            short.setdefault(space.device, []).append(space)
    return "; ".join(f"{_list([one.name for one in alike])}: {_left(alike[0])}" for alike in short.values())


def _left(space: DiskSpace) -> str:
    if space.files and space.files_free < space.files * FEW_FILES * HYSTERESIS:
        return f"{space.files_free} files more"
    return f"{space.free / 1e6:.0f} MB of {space.size / 1e9:.1f} GB left"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


class MachineMonitor:
    """Keeps the conditions of the machine, each since it began."""

    def __init__(self, folders: Mapping[str, Path], records: Path | None = None) -> None:
        """folders: where openbell writes, by names for people. records: the folder of the supervisor's own databases."""
        self.conditions: tuple[Condition, ...] = ()
        self._folders = folders
        self._records = records
        self._rebuilt: list[DamagedDatabase] = []
        self._checked_at: datetime | None = None
        self._shortage = ""
        self._since: dict[str, datetime] = {}

    def check(self, now: datetime, skew: float | None, *, journal_error: str = "", store_error: str = "") -> None:
        """Update the conditions.

        skew: seconds that our clock is ahead of another machine's. The errors say why the journals cannot be read, and why
        the store cannot be written.
        """
        if self._checked_at is None or not timedelta(0) <= now - self._checked_at < CHECK_EVERY:
            self._checked_at = now
            self._shortage = shortage(measure(self._folders), was_short=bool(self._shortage))
            self._rebuilt = connection.reported(self._records, tuple(_DATABASES), now) if self._records else []
        self.conditions = tuple(self._conditions(now, skew, journal_error, store_error))
        wrong = {condition.kind for condition in self.conditions}
        self._since = {kind: since for kind, since in self._since.items() if kind in wrong}

    def _conditions(
        self, now: datetime, skew: float | None, journal_error: str, store_error: str
    ) -> Iterator[Condition]:
        if store_error:
            yield self._condition("store_failed", now, store_error, "records that can be written")
        if self._rebuilt:
            reason = "; ".join(_rebuilt(one) for one in self._rebuilt)
            since = min(one.at for one in self._rebuilt)
            yield Condition("store_rebuilt", "", "", since, reason, "records that stay as they were written")
        if journal_error:
            yield self._condition("journal_unreadable", now, journal_error, "journals that can be read")
        if self._shortage:
            yield self._condition("volume_full", now, self._shortage, "room for the days to come")
        if skew is not None and abs(skew) >= SKEW:
            reason = (
                f"its clock is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the clock of another machine"
            )
            yield self._condition("clock_wrong", now, reason, "a clock that is never off by a second")

    def _condition(self, kind: str, now: datetime, reason: str, expected: str) -> Condition:
        return Condition(kind, "", "", self._since.setdefault(kind, now), reason, expected)


def _rebuilt(one: DamagedDatabase) -> str:
    name, what = _DATABASES[one.database], _REBUILT[one.database]
    if one.is_deleted:
        return f"{name} was deleted while it was in use, and {what}"
    return f"{name} was damaged and {what}; put aside as {one.file.name}"
