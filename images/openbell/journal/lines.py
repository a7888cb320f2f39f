"""Reading the lines of one file, from its beginning, from some way on, or from its end."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from openbell import foreign_files
from openbell.foreign_files import parse_object

Event = dict[str, object]

LONGEST_LINE = 1_000_000  # bytes; a reader passes over longer lines
_BACK_SIZE = 65_536  # bytes that are read at once from a file's end
_READ_SIZE = 1 << 18


def read(path: Path, offset: int = 0) -> Iterator[tuple[int, Event | None]]:
    """Yield, for each whole line from the byte `offset` on, the offset behind it and its event.

    The event is None where the line is not a JSON object with an event's name, or is too long. A last line without an
    end is not yielded: it may still be in the writing. The path is <root>/<strategy>/<day>.jsonl; no link below the
    root is followed.
    """
    with foreign_files.opened(path, path.parent.parent) as file:
        file.seek(offset)
        for position, line, is_whole in whole_lines(file, offset):
            if is_whole:
                yield position, parse(line)


def whole_lines(file: BinaryIO, offset: int, *, within: bool = False) -> Iterator[tuple[int, bytes | None, bool]]:
    """Yield the offset behind each line from `offset` on, the line without its end, and True.

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


def parse(line: bytes | None, decode: Callable[[bytes], Event] = parse_object) -> Event | None:
    """Return the event that a line holds, or None if it holds none or is too long."""
    if line is None or len(line) > LONGEST_LINE:
        return None
    try:
        event = decode(line)
    except ValueError:
        return None
    return event if isinstance(event.get("event"), str) else None


def backwards(path: Path) -> Iterator[tuple[int, Event]]:
    """Yield the events of a file, the newest first, each with the number of bytes that were read for it so far.

    Lines that are too long or no events are passed over, and so is a last line without an end. See `read` for the path.
    """
    with foreign_files.opened(path, path.parent.parent) as file:
        start = file.seek(0, os.SEEK_END)
        size, is_whole = start, False
        rest = b""  # the beginning of what was read, a line whose start is still to come
        while start > 0:
            length = min(_BACK_SIZE, start)
            start -= length
            file.seek(start)
            lines = (file.read(length) + rest).split(b"\n")
            rest = lines.pop(0)[-LONGEST_LINE - 1 :]
            for line in reversed(lines):
                if is_whole and (event := parse(line)) is not None:
                    yield size - start, event
                is_whole = True
        if is_whole and (event := parse(rest)) is not None:
            yield size, event
