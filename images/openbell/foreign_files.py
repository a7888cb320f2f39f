"""Files that another process writes: opened without following links or blocking, bounded in size, with one kind of error.

Strategies are not trusted by each other, by the supervisor or by the operator's commands. What one of them leaves in a
folder may be a link, a FIFO, a directory or a file without end. Everything that reads such a folder, or writes into it,
does so through these functions. `trusted` is the folder that the reader vouches for; below it no link is followed.
"""

import contextlib
import errno
import json
import math
import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, NoReturn, cast

LARGEST = 256 * 1024  # bytes of a small file, such as a beat or a pause
DEEPEST = 64  # lists and objects within each other
MOST_NAMES = 2_000  # entries of a folder

_OPEN = os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK | os.O_NOCTTY
# Our own process is out of something: that says nothing of the file.
_OWN = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EINTR, errno.EAGAIN})
_REASONS = {errno.ELOOP: "is a link, which is not followed", errno.ENXIO: "is not a regular file"}


class ForeignFileError(OSError):
    """A file or folder that is not what it should be: `filename` and, in `strerror`, the reason."""

    def __init__(self, path: Path, reason: str, number: int = errno.EINVAL) -> None:
        super().__init__(number, reason, str(path))

    def __str__(self) -> str:
        """Say where, and why."""
        return f"{self.filename} {self.strerror}"


def is_shortage(error: OSError) -> bool:
    """Tell whether this process or machine is out of descriptors or memory: that says nothing of what was to be read."""
    return error.errno in {errno.EMFILE, errno.ENFILE, errno.ENOMEM}


@contextlib.contextmanager
def open_folder(folder: Path, trusted: Path) -> Iterator[int]:
    """Give the descriptor of a folder at or below `trusted`. FileNotFoundError if it is not there."""
    own, above = folder.parts, trusted.parts  # `relative_to` takes several times as long
    parts = own[len(above) :]
    if own[: len(above)] != above or ".." in parts:
        raise ForeignFileError(folder, "leads out of its folder")
    at = os.open(trusted, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        for depth, part in enumerate(parts, 1):
            try:
                below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | _OPEN, dir_fd=at)
            except OSError as error:
                _refuse(trusted.joinpath(*parts[:depth]), error, folder=True)
            os.close(at)
            at = below
        yield at
    finally:
        os.close(at)


def open_file(path: Path, trusted: Path, flags: int = os.O_RDONLY) -> int:
    """Return the descriptor of a regular file below `trusted`. FileNotFoundError if it is not there."""
    with open_folder(path.parent, trusted) as folder:
        try:
            file = os.open(path.name, flags | _OPEN, 0o666, dir_fd=folder)
        except OSError as error:
            _refuse(path, error)
    if not stat.S_ISREG(os.fstat(file).st_mode):
        os.close(file)
        raise ForeignFileError(path, "is not a regular file")
    return file


@contextlib.contextmanager
def opened(path: Path, trusted: Path) -> Iterator[BinaryIO]:
    """Give a regular file below `trusted`, for reading."""
    with os.fdopen(open_file(path, trusted), "rb") as file:
        yield file


def size_of(path: Path, trusted: Path) -> int:
    """Return the size of a regular file below `trusted`."""
    return status_of(path, trusted).st_size


def status_of(path: Path, trusted: Path) -> os.stat_result:
    """Return what the file system knows of a regular file below `trusted`."""
    with open_folder(path.parent, trusted) as folder:
        try:
            found = os.stat(path.name, dir_fd=folder, follow_symlinks=False)
        except OSError as error:
            _refuse(path, error)
    if not stat.S_ISREG(found.st_mode):
        raise ForeignFileError(path, "is a link, which is not followed" if stat.S_ISLNK(found.st_mode) else _REGULAR)
    return found


def read_bytes(path: Path, trusted: Path, largest: int = LARGEST) -> bytes:
    """Return the content of a regular file that has at most so many bytes."""
    with opened(path, trusted) as file:
        content = file.read(largest + 1)
    if len(content) > largest:
        raise ForeignFileError(path, f"is larger than {largest} bytes")
    return content


def read_object(path: Path, trusted: Path, largest: int = LARGEST) -> dict[str, object]:
    """Return the JSON object that a regular file holds."""
    try:
        return parse_object(read_bytes(path, trusted, largest))
    except ValueError as error:
        raise ForeignFileError(path, f"holds no JSON object: {error}") from None


def parse_object(text: bytes) -> dict[str, object]:
    """Return the JSON object that the text is, with nothing in it that another program could not write down again.

    NaN, infinity and integers beyond 64 bits that no float can hold become None; half surrogate pairs become "?".
    ValueError if it is none, or nested too deeply.
    """
    plain = _parse_plain(text)
    return _parse_any(text) if plain is None else plain


def _parse_plain(text: bytes) -> dict[str, object] | None:
    """Return the object if it can be taken as Python's parser returns it, in half the time; otherwise None."""
    if b"\\ud" in text or b"\\uD" in text:
        return None
    try:
        found = _PLAIN_DECODER.decode(text.decode())
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and _is_plain(found.values(), DEEPEST) else None


def _is_plain(values: Iterable[object], depth: int) -> bool:
    for value in values:
        if isinstance(value, str) or value is None:
            continue
        if isinstance(value, float):
            if not math.isfinite(value):
                return False
        elif isinstance(value, int):
            if not -1 << 63 <= value < 1 << 63:
                return False
        else:
            below = value.values() if isinstance(value, dict) else cast("list[object]", value)
            if depth <= 1 or not _is_plain(below, depth - 1):
                return False
    return True


def _parse_any(text: bytes) -> dict[str, object]:
    try:
        found = _DECODER.decode(text.decode())
    except RecursionError:
        msg = f"nested more than {DEEPEST} deep"
        raise ValueError(msg) from None
    except ValueError as error:
        # The library's own text may quote as much as the whole file.
        raise ValueError(str(error)[:200]) from None
    if not isinstance(found, dict):
        msg = f"it is a {type(found).__name__}"
        raise ValueError(msg)  # noqa: TRY004 - one kind of error for all that can be wrong with a text
    if text.count(b"[") + text.count(b"{") > DEEPEST or b"\\ud" in text or b"\\uD" in text:
        return {_encodable(key): _cleaned(value, 1) for key, value in found.items()}
    return found


def names(folder: Path, trusted: Path, most: int = MOST_NAMES) -> list[str]:
    """Return the names in a folder; ForeignFileError if there are more than `most`, after so many are read."""
    found: list[str] = []
    with open_folder(folder, trusted) as descriptor, os.scandir(descriptor) as entries:
        for entry in entries:
            if len(found) == most:
                raise ForeignFileError(folder, f"holds more than {most} files", errno.E2BIG)
            found.append(entry.name)
    return found


def folders(root: Path, most: int = MOST_NAMES) -> list[str]:
    """Return the names of the first `most` folders below a root, in order; links are none."""
    found: list[str] = []
    with os.scandir(root) as entries:
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                found.append(entry.name)
                if len(found) == most:
                    break
    return sorted(found)


def replace(path: Path, trusted: Path, content: bytes, *, durable: bool = True) -> None:
    """Put a file in place, whole or not at all. Whatever was of that name is replaced, never written through.

    durable: after a power cut the old file or the new one is there. OSError if it cannot be written.
    """
    with open_folder(path.parent, trusted) as folder:
        # A name that cannot be guessed beforehand, and a file that did not exist.
        aside = f".{path.name}.{os.urandom(8).hex()}"
        file = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o666, dir_fd=folder)
        try:
            try:
                view = memoryview(content)
                while view:
                    view = view[os.write(file, view) :]
                if durable:
                    os.fsync(file)
            finally:
                os.close(file)
            try:
                os.rename(aside, path.name, src_dir_fd=folder, dst_dir_fd=folder)
            except IsADirectoryError:
                _remove(path.name, folder)
                os.rename(aside, path.name, src_dir_fd=folder, dst_dir_fd=folder)
        except OSError:
            with contextlib.suppress(OSError):
                os.unlink(aside, dir_fd=folder)
            raise
        if durable:
            os.fsync(folder)


def write_object(path: Path, trusted: Path, content: dict[str, object], *, durable: bool = True) -> None:
    """Put a JSON object in place, whole or not at all."""
    replace(path, trusted, (json.dumps(content) + "\n").encode(), durable=durable)


def remove(path: Path, trusted: Path) -> bool:
    """Remove what is of that name, be it a directory; tell whether there was anything."""
    try:
        with open_folder(path.parent, trusted) as folder:
            _remove(path.name, folder)
    except FileNotFoundError:
        return False
    return True


_REGULAR = "is not a regular file"


def _remove(name: str, folder: int) -> None:
    try:
        os.unlink(name, dir_fd=folder)
    except IsADirectoryError:
        import shutil  # noqa: PLC0415 - 0.2 MB that no idle loop needs

        shutil.rmtree(name, dir_fd=folder)


def _refuse(path: Path, error: OSError, *, folder: bool = False) -> NoReturn:
    """Raise what an open has failed with, as a fault of the file if it is one."""
    if isinstance(error, FileNotFoundError) or error.errno in _OWN:
        raise error
    reason = _REASONS.get(error.errno or 0)
    if reason is None and folder and error.errno == errno.ENOTDIR:
        # The kernel gives this error for a link as well: it checks O_DIRECTORY first.
        reason = "is not a folder, or is a link"
    raise ForeignFileError(path, reason or f"cannot be opened ({error.strerror})", error.errno or 0) from None


def _integer(text: str) -> int | float | None:
    if len(text) > len(str(-1 << 63)):
        return _number(text)
    value = int(text)
    return value if -1 << 63 <= value < 1 << 63 else float(value)


def _number(text: str) -> float | None:
    value = float(text)
    return value if math.isfinite(value) else None


def _nothing(_: str) -> None:
    return None


def _encodable(text: str) -> str:
    return text.encode("utf-8", "replace").decode()


def _cleaned(value: object, depth: int) -> object:
    if isinstance(value, str):
        return _encodable(value)
    if isinstance(value, dict | list) and depth >= DEEPEST:
        msg = f"nested more than {DEEPEST} deep"
        raise ValueError(msg)
    if isinstance(value, dict):
        return {_encodable(key): _cleaned(one, depth + 1) for key, one in value.items()}
    if isinstance(value, list):
        return [_cleaned(one, depth + 1) for one in value]
    return value


_DECODER = json.JSONDecoder(parse_float=_number, parse_int=_integer, parse_constant=_nothing)
_PLAIN_DECODER = json.JSONDecoder()
