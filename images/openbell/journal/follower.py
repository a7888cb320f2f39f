"""Following journals: each event is handed out once, also over restarts of the reader."""

import os
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import BinaryIO

from openbell import foreign_files
from openbell.foreign_files import ForeignFileError, parse_object
from openbell.journal.files import days
from openbell.journal.lines import Event, parse, whole_lines

LARGEST_FILE = 1 << 30  # bytes; no day of a strategy's is that long
MOST_BYTES = 4 << 20  # of one strategy, read at once by a reader that has others to read
MOST_LINES = 5_000  # the same in lines


class Follower:
    """The reading end: hands out each event below a root once, and remembers how far it has read.

    `positions` maps each file (relative to the root) to the byte behind the last line handed out; keep it to go on
    after a restart.
    """

    def __init__(
        self,
        root: Path,
        positions: Mapping[str, int] | None = None,
        decode: Callable[[bytes], Event] = parse_object,
    ) -> None:
        """decode: what reads a line, and raises ValueError where `parse_object` does."""
        self.root = root
        self._decode = decode
        self.positions = dict(positions or {})
        self.unreadable = 0  # lines passed over so far
        self.is_cut = False  # the last look ended before the end of the files, since it had read enough
        self._within: set[str] = set()  # files whose position lies in the middle of a line that is passed over

    def skip(self, path: Path, keep: int = 0) -> None:
        """Pass over what a file of the root has by now, but for about its last `keep` bytes."""
        name = self._name(path)
        with foreign_files.opened(path, self.root) as file:
            self.positions[name] = max(0, file.seek(0, os.SEEK_END) - keep)
            if not _ends_line(file, self.positions[name]):
                self._within.add(name)

    def poll(self) -> Iterator[Event]:
        """Yield what is new, file by file, oldest day first within a strategy."""
        for name in foreign_files.folders(self.root):
            yield from self.follow(path for _, path in days(self.root / name))

    def follow(self, paths: Iterable[Path], most: int | None = None) -> Iterator[Event]:
        """Yield what is new in these files of the root, in their order.

        most: about how many bytes to read at once; see `is_cut`. OSError if a file is none that can be read.
        """
        self.is_cut = False
        for path in paths:
            before = self.positions.get(self._name(path), 0)
            yield from self._follow_file(path, most)
            if self.is_cut:
                return
            if most is not None:
                most = max(1, most - max(0, self.positions.get(self._name(path), 0) - before))

    def _name(self, path: Path) -> str:
        return "/".join(path.parts[len(self.root.parts) :])

    def _follow_file(self, path: Path, most: int | None) -> Iterator[Event]:
        name = self._name(path)
        offset = self.positions.get(name, 0)
        try:
            size = foreign_files.size_of(path, self.root)
            if size == offset:
                return
            if size > LARGEST_FILE:
                raise ForeignFileError(path, f"has {size:,} bytes; no day's journal has more than {LARGEST_FILE:,}")
            with foreign_files.opened(path, self.root) as file:
                if size < offset or not (name in self._within or _ends_line(file, offset)):
                    # The file was cut short and goes on: read it anew, events are told apart by their content.
                    offset = 0
                    self._within.discard(name)
                yield from self._new(file, name, offset, most)
        except FileNotFoundError:
            self.positions.pop(name, None)
            self._within.discard(name)

    def _new(self, file: BinaryIO, name: str, offset: int, most: int | None) -> Iterator[Event]:
        start, decode, positions, within = offset, self._decode, self.positions, self._within
        file.seek(offset)
        for count, (position, line, is_whole) in enumerate(whole_lines(file, offset, within=name in within), 1):
            positions[name] = position
            if not is_whole:
                within.add(name)
            else:
                within.discard(name)
                event = parse(line, decode)
                if event is None:
                    self.unreadable += 1
                else:
                    yield event
            if most is not None and (position - start >= most or count >= MOST_LINES):
                self.is_cut = True
                return


def _ends_line(file: BinaryIO, offset: int) -> bool:
    """Tell whether a line ends at the offset, as it did when a reader was there."""
    if offset == 0:
        return True
    file.seek(offset - 1)
    return file.read(1) == b"\n"
