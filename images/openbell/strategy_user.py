"""The user that a strategy has in containers: an id derived from its name, so that no other strategy can touch its files."""

import os
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path

from openbell import foreign_files

SUPERVISOR = (
    10_001  # user and group of the supervisor, and of every container of the releases before strategies had their own
)
PRIVATE = 0o007  # umask: what a strategy makes is its own, and open to the group of its folder
_FIRST, _COUNT = 11_000, 50_000  # within the 65,536 ids of a user namespace


def user_id(strategy: str) -> int:
    """Return the id of the user and of the group that a strategy runs as."""
    import hashlib  # noqa: PLC0415 - loads OpenSSL, megabytes that the loop does without

    return _FIRST + int.from_bytes(hashlib.sha256(strategy.encode()).digest()[:8], "big") % _COUNT


def become(strategy: str) -> None:
    """Become the strategy's user for good, in a container that hosts several strategies; elsewhere nothing changes."""
    if os.geteuid() == 0 and os.environ.get("OPENBELL_OWN_USERS"):
        number = user_id(strategy)
        os.setgroups([])
        os.setgid(number)
        os.setuid(number)


def acting_as(strategy: str) -> AbstractContextManager[None]:
    """Do something as the strategy's user, in a container that hosts several strategies; elsewhere nothing changes."""
    return _acting_as(user_id(strategy))


def acting_as_supervisor() -> AbstractContextManager[None]:
    """Do something as the supervisor's user, who may read what is wanted of every strategy; see `acting_as`."""
    return _acting_as(SUPERVISOR)


@contextmanager
def _acting_as(number: int) -> Iterator[None]:
    if os.geteuid() != 0 or not os.environ.get("OPENBELL_OWN_USERS"):
        yield
        return
    os.seteuid(number)
    try:
        yield
    finally:
        os.seteuid(0)


def keep_private(folder: Path) -> None:
    """Make files readable by the group of the strategy's folder, and by no other user, if that folder is shared so.

    Elsewhere, as plain processes, the user's own umask holds.
    """
    if _is_shared(folder):
        os.umask(PRIVATE)


def take_over(folder: Path) -> None:
    """Make the files of another user in the strategy's own folder its own, as far as it can read them.

    A release in which all strategies ran as one user may have written there after the volumes were prepared.
    """
    names: list[str] = []
    with suppress(OSError):
        names = foreign_files.names(folder, folder.parent) if _is_shared(folder) else []
    for name in names:
        path = folder / name
        with suppress(OSError):
            about = foreign_files.status_of(path, folder.parent)
            if about.st_uid != os.geteuid() and about.st_nlink == 1:
                content = foreign_files.read_bytes(path, folder.parent, about.st_size)
                foreign_files.replace(path, folder.parent, content)


def share(file: Path) -> None:
    """Make a file, if it is not there, with the rights that its folder's group is to have: SQLite gives it less."""
    os.close(foreign_files.open_file(file, file.parent, os.O_RDWR | os.O_CREAT))


def _is_shared(folder: Path) -> bool:
    return folder.stat().st_mode & 0o2007 == 0o2000
