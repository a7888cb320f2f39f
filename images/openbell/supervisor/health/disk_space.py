"""Volumes: how much room is left where openbell writes."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LITTLE = 200_000_000  # bytes; with less, a day's journal may not fit
SMALL_SHARE = 0.03  # of the volume, as long as that is not much
MUCH = 2_000_000_000  # bytes that are enough whatever the share
FEW_FILES = 0.01  # of the files that the volume can hold
RELIEF = 1.25  # so much more room ends the warning, or it would come and go


@dataclass(frozen=True)
class DiskSpace:
    """A volume: its size and what is free of it, in bytes and in files (0 if it does not count them)."""

    name: str
    device: int
    size: int
    free: int
    files: int = 0
    files_free: int = 0

    def is_short(self, relief: float = 1.0) -> bool:
        """Tell whether there is hardly any room left."""
        little = self.free < LITTLE * relief and self.free < self.size / 2
        share = self.free < self.size * SMALL_SHARE * relief and self.free < MUCH * relief
        return little or share or (self.files > 0 and self.files_free < self.files * FEW_FILES * relief)


def look(folders: Mapping[str, Path]) -> list[DiskSpace]:
    """Return the room of the volumes that can be looked at."""
    rooms = []
    for name, folder in folders.items():
        try:
            about, device = os.statvfs(folder), folder.stat().st_dev
        except OSError:
            continue  # that it cannot be read is told by those who read it
        size, free = about.f_blocks * about.f_frsize, about.f_bavail * about.f_frsize
        rooms.append(DiskSpace(name, device, size, free, about.f_files, about.f_favail))
    return rooms


def shortage(rooms: Iterable[DiskSpace], *, was_short: bool) -> str:
    """Return where room is short, in words; an empty text if it is nowhere."""
    short: dict[int, list[DiskSpace]] = {}
    for room in rooms:
        if room.is_short(RELIEF if was_short else 1.0):
            short.setdefault(room.device, []).append(room)
    return "; ".join(f"{_list([one.name for one in alike])}: {_left(alike[0])}" for alike in short.values())


def _left(room: DiskSpace) -> str:
    if room.files and room.files_free < room.files * FEW_FILES * RELIEF:
        return f"{room.files_free} files more"
    return f"{room.free / 1e6:.0f} MB of {room.size / 1e9:.1f} GB left"


def _list(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
