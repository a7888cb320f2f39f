"""`openbell restore`: replace the data by those of a backup on standard input, whole or not at all."""

import fcntl
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

from openbell import backup_archive, foreign_files
from openbell.backup_archive import BackupError
from openbell.command_parser import command_parser
from openbell.commands.backup import folders

NEW, OLD = ".restore-new", ".restore-old"


def main(arguments: Sequence[str]) -> int:
    """Restore, or only read the backup; return 1, with one line, if that cannot be done."""
    parser = command_parser("restore")
    parser.add_argument("--check", action="store_true", help="only read it and say what it holds")
    is_check = parser.parse_args(arguments).check
    try:
        if is_check:
            with tempfile.TemporaryDirectory(prefix="openbell-") as folder:
                into = {root: Path(folder) / root for root in backup_archive.ROOTS}
                found = backup_archive.extract(sys.stdin.buffer, into)
        else:
            found = restore(folders(os.environ))
    except (BackupError, OSError) as error:
        told = (isinstance(error, OSError) and error.strerror) or error
        print(f"openbell restore: {told}", file=sys.stderr)
        return 1
    print(backup_archive.summary(found))
    return 0


def restore(roots: Mapping[str, Path]) -> backup_archive.Contents:
    """Read the whole backup beside what is there, and only then exchange the two."""
    for root in roots.values():
        root.mkdir(parents=True, exist_ok=True)
    with ExitStack() as held:
        for name in foreign_files.folders(roots["state"]):
            held.enter_context(_stopped(roots["state"], name))
        _clear(roots)  # what a restore that was killed has left
        try:
            found = backup_archive.extract(sys.stdin.buffer, {name: root / NEW for name, root in roots.items()})
            for root in roots.values():
                _exchange(root)
        finally:
            _clear(roots)
    return found


def _clear(roots: Mapping[str, Path]) -> None:
    for root in roots.values():
        shutil.rmtree(root / NEW, ignore_errors=True)
        shutil.rmtree(root / OLD, ignore_errors=True)


@contextmanager
def _stopped(state: Path, name: str) -> Iterator[None]:
    """Hold a strategy's lock, so that its loop cannot start meanwhile; BackupError if it runs."""
    try:
        lock = foreign_files.open_file(state / name / "loop.lock", state, os.O_RDWR)
    except FileNotFoundError:
        yield
        return
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        msg = f"{name} runs: stop everything with `make down` first; nothing was changed"
        raise BackupError(msg) from None
    finally:
        os.close(lock)


def _exchange(root: Path) -> None:
    """Let the new files take the place of the old ones; the folder's owner gets them."""
    new, old = root / NEW, root / OLD
    new.mkdir(exist_ok=True)
    old.mkdir(exist_ok=True)
    if os.geteuid() == 0:  # in a container; `prepare-volumes` gives each strategy its own at the next start
        about = root.stat()
        for path in new.rglob("*"):
            os.chown(path, about.st_uid, about.st_gid)
    for path in sorted(root.iterdir()):
        if path.name not in {NEW, OLD}:
            path.rename(old / path.name)
    for path in sorted(new.iterdir()):
        path.rename(root / path.name)
