"""`openbell prepare-volumes`: give each strategy folders that are its own, in the volumes that all of them share.

It runs as root, before anything else starts, and changes only what is not as it should be. So it also takes over the
volumes of the releases in which every strategy ran as one user. Those could go on with what it leaves: that user's group
may read and write everywhere, and no strategy is in it.
"""

import os
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from openbell import foreign_files
from openbell.command_parser import command_parser
from openbell.control import FOLDERS
from openbell.manifest import load_all, strategy_folders
from openbell.renaming import Volumes, moved_bots
from openbell.strategy_user import SUPERVISOR, user_id

DEEPEST = 16  # folders within each other; what lies deeper stays as it is
EXIT_CANNOT = 3
_OPEN = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@dataclass(frozen=True)
class Owner:
    """Whose files these are, and what may be done with them."""

    user: int
    group: int
    folders: int  # mode
    files: int


def main(arguments: Sequence[str]) -> int:
    """Prepare the volumes; return 0, or 3 if they cannot be prepared."""
    parser = command_parser("prepare-volumes")
    parser.add_argument("strategies", nargs="*", help="default: all below $OPENBELL_STRATEGIES")
    wanted = parser.parse_args(arguments).strategies
    places = volumes()
    root = Path(os.environ.get("OPENBELL_STRATEGIES", "/strategies"))
    names = wanted or [folder.name for folder in strategy_folders(root)]
    try:
        if moved := [] if wanted else list(moved_bots(places, _bots(root))):
            print(f"openbell prepare-volumes: {moved[0]}", file=sys.stderr)
            return EXIT_CANNOT
        for line in prepare(places.journal, places.state, places.control, names):
            print(f"openbell prepare-volumes: {line}", file=sys.stderr)
    except OSError as error:
        print(f"openbell prepare-volumes: {error}; it has to run as root", file=sys.stderr)
        return EXIT_CANNOT
    return 0


def volumes() -> Volumes:
    """Return where the volumes are, as the environment says."""
    return Volumes(
        *(Path(os.environ.get(f"OPENBELL_{name.upper()}", f"/{name}")) for name in ("journal", "state", "control"))
    )


def _bots(root: Path) -> dict[str, list[str]]:
    return {one.name: [bot.id for bot in one.bots] for one in load_all(root)[0]}


def give(places: Volumes, old: str, new: str) -> None:
    """Make one strategy's folders another one's own; nothing is changed where strategies have no users of their own."""
    if os.geteuid():
        return
    for root in (places.journal, places.state):
        for _ in _prepare_folder(root, old, Owner(user_id(new), SUPERVISOR, 0o2770, 0o660)):
            pass
    for _ in _prepare_folder(places.control, old, Owner(SUPERVISOR, user_id(new), 0o2750, 0o640)):
        pass


def prepare(journal: Path, state: Path, control: Path, names: Iterable[str]) -> Iterator[str]:
    """Prepare the volumes for these strategies and those that have folders there; yield what a person should know."""
    names = sorted(names)
    for root in (journal, state):
        with _opened(root) as folder:
            _change(folder, Owner(0, SUPERVISOR, 0o2775, 0))
        for name in sorted({*names, *foreign_files.folders(root)}):
            yield from _prepare_folder(root, name, Owner(user_id(name), SUPERVISOR, 0o2770, 0o660))
    with _opened(control) as folder:
        _change(folder, Owner(SUPERVISOR, SUPERVISOR, 0o755, 0))
    for name in sorted({*names, *foreign_files.folders(control)}):
        owner = Owner(SUPERVISOR, user_id(name), 0o2750, 0o640)
        yield from _prepare_folder(control, name, owner)
        for part in FOLDERS:
            yield from _prepare_folder(control / name, part, owner)
    yield from _shared_ids(names)


def _shared_ids(names: Iterable[str]) -> Iterator[str]:
    owners: dict[int, str] = {}
    for name in names:
        if (other := owners.setdefault(user_id(name), name)) != name:
            yield f"{other} and {name} get the same user id, {user_id(name)}: rename one of them to keep them apart"


def _prepare_folder(root: Path, name: str, owner: Owner) -> Iterator[str]:
    with _opened(root) as above:
        with suppress(FileExistsError):
            os.mkdir(name, 0o700, dir_fd=above)
        try:
            folder = os.open(name, _OPEN | os.O_DIRECTORY, dir_fd=above)
        except OSError as error:
            yield f"{root / name} is not a folder of a strategy, and stays as it is ({error.strerror})"
            return
    try:
        yield from _walk(folder, root / name, owner, DEEPEST)
    finally:
        os.close(folder)


def _walk(folder: int, path: Path, owner: Owner, depth: int) -> Iterator[str]:
    """Change a folder and all that is in it, without leaving it by a link."""
    _change(folder, owner)
    with os.scandir(folder) as entries:
        found = [entry.name for entry in entries]
    for name in found:
        try:
            one = os.open(name, _OPEN, dir_fd=folder)
        except OSError:
            continue  # a link, a socket, or gone
        try:
            about = os.fstat(one)
            if stat.S_ISDIR(about.st_mode) and depth:
                yield from _walk(one, path / name, owner, depth - 1)
            elif stat.S_ISREG(about.st_mode) and about.st_nlink == 1:
                _change(one, owner)
            elif stat.S_ISREG(about.st_mode):
                # It may be another strategy's file: a link to it must not make it this one's.
                yield f"{path / name} has several names, and stays as it is"
        finally:
            os.close(one)


def _change(file: int, owner: Owner) -> None:
    about = os.fstat(file)
    mode = owner.folders if stat.S_ISDIR(about.st_mode) else owner.files | about.st_mode & 0o110
    if (about.st_uid, about.st_gid) != (owner.user, owner.group):
        os.fchown(file, owner.user, owner.group)
    if stat.S_IMODE(about.st_mode) != mode:
        os.fchmod(file, mode)


@contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, _OPEN | os.O_DIRECTORY)
    try:
        yield descriptor
    finally:
        os.close(descriptor)
