"""The writing end of a journal."""

import fcntl
import json
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import UTC, date, datetime
from pathlib import Path
from types import MappingProxyType

from openbell import foreign_files
from openbell.durable import sync
from openbell.journal.echo import echo
from openbell.journal.files import days, prune, since
from openbell.journal.lines import Event
from openbell.journal.times import stamp
from openbell.json_values import JsonValues
from openbell.redaction import Redaction

NO_FIELDS: Mapping[str, object] = MappingProxyType({})


class Journal:
    """The writing end of one strategy's journal. Lines also go to standard output, for `docker logs`.

    A process forked from the writer may go on writing: the file is opened for appending, and each line is one write.
    """

    # A journal that keeps no lines, as a backtest's may be, still gets warnings.
    keeps_lines = True

    def __init__(self, root: Path, strategy: str, boot_id: str, *, echo: bool = True) -> None:
        self.folder = root / strategy
        self._head = {"strategy": strategy, "boot_id": boot_id}
        self._echo = echo
        self._clean: Callable[[str], str] = str  # until there are secrets to remove
        # The newest instant: that of a slot stands in each line of its run.
        self._stamped: tuple[datetime, str] | None = None
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
        self._append(at.astimezone(UTC).date(), self._line(event, at, run, level, fields).encode() + b"\n")

    def rehearse(self, at: datetime, run: Mapping[str, object]) -> None:
        """Do what a line needs but for writing it.

        A process that was just forked shares its memory with its parent. What it changes is copied page by page; after this
        the pages that a line changes are its own, and the next line takes half the time.
        """
        self._line("note", at, run, "info", NO_FIELDS)
        if self._file >= 0:
            _is_torn(self._file)

    def _line(
        self, event: str, at: datetime, run: Mapping[str, object], level: str, fields: Mapping[str, object]
    ) -> str:
        head = {"timestamp": self._stamp(at), "event": event, "level": level, **self._head}
        values = JsonValues(self._stamp, self._clean)
        return json.dumps({**head, **self._run_values(run, values), **values.fields(fields)})

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

    def copy(self, day: date, lines: bytes) -> None:
        """Append lines of a day that were written elsewhere, as they are."""
        self._append(day, lines)

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
            # The name of a new file must survive a power cut too, or its lines would go with it.
            sync(self.folder)
        self.close()
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
