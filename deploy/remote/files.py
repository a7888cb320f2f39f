"""Files that are complete or absent, also if the process or the machine stops while they are written."""

from __future__ import annotations

import contextlib
import os
from pathlib import Path


def write_durably(path: Path, text: str, mode: int = 0o600) -> None:
    """Replace a file's content: readers see the old text or the new one, also after a power cut."""
    new = path.with_name(f".{path.name}.new")
    try:
        descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        new.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            new.unlink()
        raise
    sync_folder(path.parent)


def append_durably(path: Path, line: str) -> None:
    """Add a line to a file. If it does not fit, nothing of it stays; a torn line before it is ended first."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    try:
        size = os.fstat(descriptor).st_size
        torn = size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
        content = (b"\n" if torn else b"") + line.encode() + b"\n"
        try:
            written = 0
            while written < len(content):
                written += os.write(descriptor, content[written:])
            os.fsync(descriptor)
        except OSError:
            os.ftruncate(descriptor, size)
            raise
    finally:
        os.close(descriptor)


def point_durably(link: Path, target: str) -> None:
    """Let a symbolic link point elsewhere; OSError if it does not afterwards."""
    new = link.with_name(f".{link.name}.new")
    with contextlib.suppress(FileNotFoundError):
        new.unlink()
    new.symlink_to(target)
    new.replace(link)
    sync_folder(link.parent)
    if str(link.readlink()) != target:
        msg = f"{link} does not point to {target}"
        raise OSError(msg)


def sync_folder(folder: Path) -> None:
    """Make names in a folder survive a power cut; a file system that cannot sync a folder does so by itself."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):
            os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_text(path: Path) -> str:
    """Return a file's text, without its last line end; empty if it cannot be read."""
    try:
        return path.read_text(encoding="utf-8", errors="replace").rstrip("\n")
    except OSError:
        return ""


def lines_of(path: Path) -> list[str]:
    """Return the lines of a file that say something; none if it cannot be read."""
    return [line for line in read_text(path).splitlines() if line]


def reason_of(error: OSError) -> str:
    """Return an error of the file system for a person: what, and where."""
    where = f": {error.filename}" if error.filename else ""
    return f"{error.strerror or error}{where}"
