"""What a strategy prints: whole lines, bounded by time, on their way to the journal.

Two ways lead there. Python's own sys.stdout and sys.stderr are replaced by streams that hand each line on at once. What goes past
them (a child's echo, os.write, native code) meets a pipe at the descriptors 1 and 2, which the loop reads. So nothing of it
reaches the container's own output unseen, and secrets can be cut out of all of it.
"""

import contextlib
import fcntl
import io
import os
import sys
import time
from collections.abc import Callable, Iterator

from openbell import journal

A_MINUTE = 16_000  # characters that may be printed in a minute; what is more is counted
MINUTE = 60.0  # seconds
LONGEST_LINE = 65_536  # characters of a line without an end that are kept
PIPE_SIZE = 1 << 20  # bytes that may wait to be read before who prints has to wait
READ_AT_ONCE = 1 << 20  # bytes that one look takes from a pipe


class PrintedLines:
    """Takes lines, hands on so much a minute, and says how much was left out."""

    def __init__(self, emit: Callable[[str, str], None], clock: Callable[[], float] = time.monotonic) -> None:
        self._emit = emit
        self._clock = clock
        self._since = clock()
        self._used = 0
        self._lines = self._characters = 0  # left out

    def line(self, text: str, more: int = 0) -> None:
        """Hand on a line; more: how many characters of it were left out already."""
        self.tick()
        room = max(0, A_MINUTE - self._used)
        kept = text[:room]
        self._used += len(text)
        if kept:
            self._emit(kept, "info")
        left_out = len(text) - len(kept) + more
        if left_out:
            self._lines += 1
            self._characters += left_out

    def tick(self) -> None:
        """Begin a new minute if the last one is over, and say what was left out in it."""
        if self._clock() - self._since >= MINUTE:
            self.end()
            self._since, self._used = self._clock(), 0

    def end(self) -> None:
        """Say what was left out so far."""
        if self._lines:
            text = f"[{self._lines} lines with {self._characters} characters were printed and left out: {A_MINUTE} a minute are kept]"
            self._lines = self._characters = 0
            self._emit(text, "warning")


class Lines:
    """Puts lines together from bytes as they come. A line that is written over, as a progress bar is, is its last state."""

    def __init__(self, line: Callable[[str, int], None]) -> None:
        self._line = line
        self._rest = ""
        self._more = 0

    def write(self, content: bytes) -> None:
        """Take some bytes."""
        *lines, rest = content.decode("utf-8", "backslashreplace").split("\n")
        for line in lines:
            self._add(line)
            self.end()
        self._add(rest)

    def _add(self, text: str) -> None:
        text = self._rest + text
        if len(text) > LONGEST_LINE:
            text = text.rstrip("\r").rpartition("\r")[2]
        self._more += max(0, len(text) - LONGEST_LINE)
        self._rest = text[:LONGEST_LINE]

    def end(self) -> None:
        """Hand on what there is of a line."""
        text, more = self._rest.rstrip("\r").rpartition("\r")[2], self._more
        self._rest, self._more = "", 0
        if text:
            self._line(text, more)


class _Raw(io.RawIOBase):
    """The bottom of a standard stream: a file like any other, whose bytes become lines."""

    def __init__(self, number: int) -> None:
        self._number = number
        self.lines = Lines(lambda *_: None)

    def writable(self) -> bool:
        return True

    def fileno(self) -> int:
        return self._number

    def isatty(self) -> bool:
        return False

    def write(self, content: "bytes | bytearray | memoryview") -> int:  # type: ignore[override]
        content = bytes(content)
        self.lines.write(content)
        return len(content)


class _Stream(io.TextIOWrapper):
    """sys.stdout or sys.stderr. What a strategy closes is still heard."""

    def __init__(self, raw: _Raw) -> None:
        super().__init__(
            io.BufferedWriter(raw),  # type: ignore[type-var] # any RawIOBase will do
            "utf-8",
            "backslashreplace",
            line_buffering=True,
        )

    def close(self) -> None:
        with contextlib.suppress(ValueError):
            self.flush()


class _Captured:
    """This process's standard streams, once they are captured."""

    raws: tuple[_Raw, ...] = ()
    streams: tuple[_Stream, ...] = ()
    printed: PrintedLines | None = None
    process = 0  # which process captured them last
    error = 2  # the descriptor of the real standard error


def capture(printed: PrintedLines) -> None:
    """Let what Python prints in this process, and in what is forked from it, go there from now on.

    The streams stay the same over a fork, so that a logging handler made at import reaches each run's own lines.
    """
    if not _Captured.streams:
        _Captured.raws = (_Raw(1), _Raw(2))
        _Captured.streams = tuple(_Stream(raw) for raw in _Captured.raws)
        sys.stdout, sys.stderr = _Captured.streams
    elif _Captured.process == os.getpid():
        finish()
    else:  # a line without an end that was there at the fork is the parent's
        for stream, raw in zip(_Captured.streams, _Captured.raws, strict=True):
            raw.lines = Lines(lambda *_: None)
            with contextlib.suppress(ValueError):
                stream.flush()
    _Captured.process = os.getpid()
    _Captured.printed = printed
    for raw in _Captured.raws:
        raw.lines = Lines(printed.line)


def finish() -> None:
    """Hand on lines without an end, and say what was left out."""
    for stream, raw in zip(_Captured.streams, _Captured.raws, strict=True):
        with contextlib.suppress(ValueError, OSError):
            stream.flush()
        raw.lines.end()
    if _Captured.printed is not None:
        _Captured.printed.end()


class Pipe:
    """The pipe at the descriptors 1 and 2 of this process or of a child. The reading end never blocks."""

    def __init__(self, printed: PrintedLines) -> None:
        self._printed = printed
        self._lines = Lines(printed.line)
        self._read, self._write = os.pipe2(os.O_CLOEXEC)
        with contextlib.suppress(OSError):  # an unprivileged user may have no more room for pipes
            fcntl.fcntl(self._write, fcntl.F_SETPIPE_SZ, PIPE_SIZE)
        os.set_blocking(self._read, False)

    def put_at_standard_files(self) -> None:
        """Put the writing end where a program prints; the journal goes on writing to the real standard output."""
        _keep_real_files()
        os.dup2(self._write, 1)
        os.dup2(self._write, 2)
        self.close_writing_end()

    def close_writing_end(self) -> None:
        """Leave the writing to another process."""
        os.close(self._write)
        self._write = -1

    def never_block(self) -> None:
        """Rather lose output than wait for a reader, where the reader is the process that prints."""
        os.set_blocking(self._write, False)

    def read(self) -> int:
        """Hand on what has come; return how many bytes that were."""
        count = 0
        with contextlib.suppress(BlockingIOError):
            while count < READ_AT_ONCE and (content := os.read(self._read, 65_536)):
                count += len(content)
                self._lines.write(content)
        self._printed.tick()
        return count

    def close(self) -> None:
        """Read what is left, and close."""
        while self.read() >= READ_AT_ONCE:
            pass
        self._lines.end()
        self._printed.end()
        os.close(self._read)
        if self._write >= 0:
            self.close_writing_end()

    def forget(self) -> None:
        """Close both ends in the process that prints, unread."""
        os.close(self._read)


def _keep_real_files() -> None:
    """Keep the real standard output and error under other numbers, which no program that is started here gets."""
    if journal.echo_file() <= 2:
        journal.echo_to(_kept(1))
        _Captured.error = _kept(2)


def _kept(number: int) -> int:
    try:
        return fcntl.fcntl(number, fcntl.F_DUPFD_CLOEXEC, 3)
    except OSError:  # it is closed
        return os.open(os.devnull, os.O_WRONLY | os.O_CLOEXEC)


def real_error() -> int:
    """Return the descriptor of the real standard error, for what the loop itself has to say and for its last stack."""
    return _Captured.error


def say(line: str) -> None:
    """Write a line of the loop's own to the real standard error."""
    with contextlib.suppress(OSError):
        os.write(_Captured.error, f"{line}\n".encode("utf-8", "backslashreplace"))


@contextlib.contextmanager
def at_standard_files(pipe: Pipe, printed: PrintedLines) -> Iterator[None]:
    """Capture all that this process prints, and give it its standard files back at the end."""
    files, streams = (journal.echo_file(), _Captured.error), (sys.stdout, sys.stderr)
    # Who reads the pipe is who prints: better to lose output than to wait for oneself.
    pipe.never_block()
    pipe.put_at_standard_files()
    capture(printed)
    try:
        yield
    finally:
        finish()
        for number, kept in ((1, journal.echo_file()), (2, _Captured.error)):
            os.dup2(kept, number)
            if kept not in files:
                os.close(kept)
        pipe.close()
        journal.echo_to(files[0])
        _Captured.error = files[1]
        _Captured.streams, _Captured.raws, _Captured.printed = (), (), None
        sys.stdout, sys.stderr = streams
