"""Folders of this machine that go with their process, also if it is killed: the next one removes what is left."""

import contextlib
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

_NAME = re.compile(r"openbell-(\d+)-\w+")


def prefix() -> str:
    """Return what the name of a temporary folder of this process begins with."""
    return f"openbell-{os.getpid()}-"


@contextlib.contextmanager
def folder() -> Iterator[Path]:
    """Give a temporary folder, after those that killed processes have left were removed."""
    sweep(Path(tempfile.gettempdir()))
    with tempfile.TemporaryDirectory(prefix=prefix()) as made:
        yield Path(made)


def sweep(folder: Path) -> None:
    """Remove this user's folders whose process has gone."""
    with contextlib.suppress(OSError):
        for one in folder.iterdir():
            found = _NAME.fullmatch(one.name)
            if found and _is_ours(one) and not _lives(int(found[1])):
                shutil.rmtree(one, ignore_errors=True)


def _is_ours(path: Path) -> bool:
    try:
        return path.lstat().st_uid == os.getuid() and path.is_dir() and not path.is_symlink()
    except OSError:
        return False


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
