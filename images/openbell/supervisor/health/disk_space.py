"""How much space is left on the volumes that openbell writes to."""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

LITTLE = 200_000_000  # bytes; with less, a day's journal may not fit
SMALL_SHARE = 0.03  # of the volume, as long as that is not much
MUCH = 2_000_000_000  # bytes that are enough on a disk of any size
FEW_FILES = 0.01  # of the files that the volume can hold
HYSTERESIS = 1.25  # the warning ends only with so much more space, so that it does not flap


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
