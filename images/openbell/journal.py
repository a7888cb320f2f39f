"""The journal: what a strategy did, as JSON lines. The only code that knows the files' format.

`<root>/<strategy>/<UTC date>.jsonl`, one JSON object a line with Python's default separators, so that
`grep '"symbol": "AAPL"' *.jsonl | jq .` works. A line is appended by one write, so that lines of several processes
never mix. Files are dated and never renamed; `prune` removes old ones. Readers survive a torn last line, a truncated
file, lines that are not JSON and lines of any length.
"""

import contextlib
import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import BinaryIO

from openbell import foreign_files
from openbell.foreign_files import ForeignFileError, parse_object
from openbell.json_values import JsonValues
from openbell.redaction import Redaction

Event = dict[str, object]
NO_FIELDS: Mapping[str, object] = MappingProxyType({})

BACKFILL = "backfill"  # the trigger of a run that a person asked for, for a slot that has passed

LONGEST_LINE = 1_000_000  # bytes; a reader passes over longer lines
LARGEST_FILE = 1 << 30  # bytes; no day of a strategy's is that long
MOST_BYTES = 4 << 20  # of one strategy, read at once by a reader that has others to read
MOST_LINES = 5_000  # the same in lines
_BACK_SIZE = 65_536  # bytes that are read at once from a file's end
_READ_SIZE = 1 << 18


class Journal:
    """The writing end of one strategy's journal. Lines also go to standard output, for `docker logs`.

    A process forked from the writer may go on writing: the file is opened for appending, and each line is one write.
    """

    # A journal that keeps no lines, as a backtest's may be, is told of warnings all the same.
    keeps_lines = True

    def __init__(self, root: Path, strategy: str, boot_id: str, *, echo: bool = True) -> None:
        self.folder = root / strategy
        self._head = {"strategy": strategy, "boot_id": boot_id}
        self._echo = echo
        self._clean: Callable[[str], str] = str  # until there are secrets to remove
        self._stamped: tuple[datetime, str] | None = (
            None  # the newest instant: that of a slot stands in each line of its run
        )
        self._run: dict[str, object] = {}  # what identifies the run of the newest line, and the same as JSON values
        self._run_json: dict[str, object] = {}
        self._day: date | None = None
        self._file = -1

    def redact(self, secrets: Iterable[str]) -> None:
        """Keep these texts out of all lines from now on."""
        self._clean = Redaction(secrets)
        self._run, self._run_json = {}, {}

    def write(
        self,
        event: str,
        at: datetime,
        run: Mapping[str, object] = NO_FIELDS,
        /,
        *,
        level: str = "info",
        **fields: object,
    ) -> None:
        """Append one line: first what every line has, then what identifies the run, then the event's own fields.

        Any value can be written; one that is too long is shortened. OSError if the line cannot be written whole.
        """
        head = {"timestamp": self._stamp(at), "event": event, "level": level, **self._head}
        values = JsonValues(self._stamp, self._clean)
        line = json.dumps({**head, **self._run_values(run, values), **values.fields(fields)})
        self._append(at.astimezone(UTC).date(), line.encode() + b"\n")

    def _run_values(self, run: Mapping[str, object], values: JsonValues) -> dict[str, object]:
        """Return what identifies a run, as JSON can carry it. The lines of one run follow each other."""
        if run != self._run:
            self._run, self._run_json = dict(run), values.fields(run)
        return self._run_json

    def _stamp(self, at: datetime) -> str:
        newest = self._stamped
        if newest is None or newest[0] is not at:
            newest = self._stamped = at, stamp(at)
        return newest[1]

    def sync(self) -> None:
        """Return once the lines written so far survive a power cut."""
        if self._file >= 0:
            os.fdatasync(self._file)

    def close(self) -> None:
        """Close the file; the next line opens it again."""
        if self._file >= 0:
            os.close(self._file)
            self._file, self._day = -1, None

    def settle(self, first: date) -> None:
        """Make what is in the files dated `first` or later final, for every writer: torn lines end, and all survive a power cut."""
        for day, path in days(self.folder):
            if day >= first:
                opened = foreign_files.open_file(path, self.folder.parent, os.O_RDWR | os.O_APPEND)
                try:
                    if _is_torn(opened):
                        os.write(opened, b"\n")
                    os.fdatasync(opened)
                finally:
                    os.close(opened)

    def prune(self, today: date, keep_days: int) -> date:
        """Remove the lines that are older than `keep_days` days; return the oldest day that stays."""
        return prune(self.folder, today, keep_days)

    def copy(self, day: date, line: bytes) -> None:
        """Append a line that was written elsewhere, as it is."""
        self._append(day, line)

    def since(self, first: date) -> Iterator[Event]:
        """Yield the strategy's events from the files dated `first` or later, in order."""
        return since(self.folder, first)

    def _append(self, day: date, line: bytes) -> None:
        if day != self._day:
            self._open(day)
        if os.fstat(self._file).st_nlink == 0:  # the file was removed: what goes into it would never be read
            self._open(day)
        # A line that was cut short (full disk, power cut), by this process or another, must not swallow the next one.
        # One that another process is still writing only looks so, and not for long.
        torn = all(_is_torn(self._file) for _ in _attempts())
        whole = b"\n" + line if torn else line
        written = os.write(self._file, whole)
        if self._echo:
            echo(line)
        # Without its end the line is there all the same: the next one begins with it. Said to be missing, it would be
        # written twice.
        if written < len(whole) - 1:
            msg = f"{self.folder}: only {written} of {len(whole)} bytes could be written (disk full?)"
            raise OSError(msg)

    def _open(self, day: date) -> None:
        self.sync()  # it speaks for all lines so far, also for those in the file of the day before
        self.folder.mkdir(parents=True, exist_ok=True)
        path = self.folder / f"{day.isoformat()}.jsonl"
        opened = foreign_files.open_file(path, self.folder.parent, os.O_RDWR | os.O_CREAT | os.O_APPEND)
        if opened <= 2:
            # A strategy has closed its standard output: what is echoed there must not end up in the journal again.
            low, opened = opened, fcntl.fcntl(opened, fcntl.F_DUPFD_CLOEXEC, 3)
            os.close(low)
        if os.fstat(opened).st_size == 0:
            _sync_folder(self.folder)
        if self._file >= 0:
            os.close(self._file)
        self._file, self._day = opened, day

    def redacted(self, text: str) -> str:
        """Return the text without the secrets."""
        return self._clean(text)


def _attempts() -> Iterator[None]:
    for pause in (0.0, 0.001, 0.002):
        if pause:
            time.sleep(pause)
        yield


def _is_torn(file: int) -> bool:
    size = os.fstat(file).st_size
    return size > 0 and os.pread(file, 1, size - 1) != b"\n"


def _sync_folder(folder: Path) -> None:
    # The name of a new file must survive a power cut too, or its lines would go with it.
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def echo(line: bytes) -> None:
    """Write a line to standard output as well."""
    # The file is the record; a closed or blocked standard output must not stop a strategy from trading.
    with contextlib.suppress(OSError):
        os.write(_Echo.file, line)


class _Echo:
    file = 1  # where standard output really is: in a strategy's processes the descriptor 1 is a pipe


def echo_to(file: int) -> None:
    """Take this descriptor for standard output from now on."""
    _Echo.file = file


def echo_file() -> int:
    """Return the descriptor that lines are echoed to."""
    return _Echo.file


def stamp(at: datetime) -> str:
    """Return an aware instant in the journal's form: UTC, ISO 8601, milliseconds."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")[:-6] + "Z"


def instant(text: object) -> datetime | None:
    """Return the instant that a journal's text stands for, aware UTC, or None if it stands for none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):  # no instant, or one whose year in UTC is 0 or 10000
        return None


def read(path: Path, offset: int = 0) -> Iterator[tuple[int, Event | None]]:
    """Yield, for each whole line from the byte `offset` on, the offset behind it and its event.

    The event is None where the line is not a JSON object with an event's name, or is too long. A last line without an
    end is not yielded: it may still be in the writing. The path is <root>/<strategy>/<day>.jsonl; no link below the
    root is followed.
    """
    with foreign_files.opened(path, path.parent.parent) as file:
        file.seek(offset)
        for position, line, is_whole in _lines(file, offset):
            if is_whole:
                yield position, _parse(line)


def _lines(file: BinaryIO, offset: int, *, within: bool = False) -> Iterator[tuple[int, bytes | None, bool]]:
    """Yield the offset behind each line from `offset` on, the line, and True.

    A line that is too long is None; each piece of it that is passed over before its end comes with False.
    within: the offset lies in the middle of such a line.
    """
    rest = b""
    while chunk := file.read(_READ_SIZE):
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            offset += len(line) + 1
            yield offset, None if within else line, True
            within = False
        if len(rest) > LONGEST_LINE:
            offset, rest, within = offset + len(rest), b"", True
            yield offset, None, False


def _parse(line: bytes | None) -> Event | None:
    if line is None or len(line) > LONGEST_LINE:
        return None
    try:
        event = parse_object(line)
    except ValueError:
        return None
    return event if isinstance(event.get("event"), str) else None


def backwards(path: Path) -> Iterator[tuple[int, Event]]:
    """Yield the events of a file, the newest first, each with the number of bytes that were read for it so far.

    Lines that are too long or no events are passed over, and so is a last line without an end. See `read` for the path.
    """
    with foreign_files.opened(path, path.parent.parent) as file:
        start = file.seek(0, os.SEEK_END)
        size, rest, is_whole = (
            start,
            b"",
            False,
        )  # rest: the beginning of what was read, a line whose start is still to come
        while start > 0:
            length = min(_BACK_SIZE, start)
            start -= length
            file.seek(start)
            lines = (file.read(length) + rest).split(b"\n")
            rest = lines.pop(0)[-LONGEST_LINE - 1 :]
            for line in reversed(lines):
                if is_whole and (event := _parse(line)) is not None:
                    yield size - start, event
                is_whole = True
        if is_whole and (event := _parse(rest)) is not None:
            yield size, event


def days(folder: Path) -> list[tuple[date, Path]]:
    """Return the journal files of one strategy's folder with their dates, oldest first; none if there is no folder.

    OSError if the folder cannot be read or holds more files than a strategy can write.
    """
    found: list[tuple[date, Path]] = []
    try:
        names = foreign_files.names(folder, folder.parent)
    except FileNotFoundError:
        return []
    for name in names:
        if name.endswith(".jsonl"):
            with contextlib.suppress(ValueError):
                found.append((date.fromisoformat(name.removesuffix(".jsonl")), folder / name))
    return sorted(found)


def since(folder: Path, first: date) -> Iterator[Event]:
    """Yield the events of one strategy's folder from the files dated `first` or later, in order."""
    for day, path in days(folder):
        if day >= first:
            for _, event in read(path):
                if event is not None:
                    yield event


def prune(folder: Path, today: date, keep_days: int) -> date:
    """Remove the files that are older than `keep_days` days; return the oldest day that stays.

    The newest `keep_days` files stay too: with a clock that is years ahead every day is old.
    """
    files = days(folder)
    newest = files[-keep_days:]
    oldest = min(today - timedelta(days=keep_days), newest[0][0] if newest else today)
    for day, path in files:
        if day < oldest:
            path.unlink(missing_ok=True)
    return oldest


class Follower:
    """The reading end: hands out each event below a root once, and remembers how far it has read.

    `positions` maps each file (relative to the root) to the byte behind the last line handed out; keep it to go on
    after a restart.
    """

    def __init__(self, root: Path, positions: Mapping[str, int] | None = None) -> None:
        self.root = root
        self.positions = dict(positions or {})
        self.unreadable = 0  # lines passed over so far
        self.is_cut = False  # the last look ended before the end of the files, since it had read enough
        self._within: set[str] = set()  # files whose position lies in the middle of a line that is too long

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
        return str(path.relative_to(self.root))

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
                    offset = (
                        0  # the file was cut short and goes on: read it anew, events are told apart by their content
                    )
                    self._within.discard(name)
                yield from self._new(file, name, offset, most)
        except FileNotFoundError:
            self.positions.pop(name, None)
            self._within.discard(name)

    def _new(self, file: BinaryIO, name: str, offset: int, most: int | None) -> Iterator[Event]:
        start = offset
        file.seek(offset)
        for count, (position, line, is_whole) in enumerate(_lines(file, offset, within=name in self._within), 1):
            self.positions[name] = position
            if not is_whole:
                self._within.add(name)
            else:
                self._within.discard(name)
                event = _parse(line)
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
