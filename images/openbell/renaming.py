"""A strategy that gets another name keeps its journal, its ledger, its accounts and what people want of it.

All of that lies in folders that have the strategy's name. They get the new name in one step, while no loop runs the
strategy. The loop of the new name may have been started before: it has imported the strategy, and waits for that step.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from openbell import foreign_files, journal
from openbell.durable import sync
from openbell.paths import LEDGER
from openbell.records import dataclass

WAITS = "renamed.from"  # in the state of a strategy that waits for the data of another name: that name
_REPLACED = ".replaced"  # the end of the name of a folder that another one has replaced


Give = Callable[["Volumes", str, str], None]


class RenameError(Exception):
    """Data that cannot get another name; the text says why, and what to do."""


@dataclass(frozen=True)
class Volumes:
    """The three folders in which each strategy has a folder of its name."""

    journal: Path
    state: Path
    control: Path

    @property
    def all(self) -> tuple[Path, ...]:
        """The state comes last: a loop that waits goes on once it is there."""
        return self.control, self.journal, self.state


@dataclass(frozen=True)
class OrphanedBot:
    """A bot whose data is of a strategy that is not there any more."""

    bot: str
    before: str
    now: str

    def __str__(self) -> str:
        """Say what is wrong and what to do."""
        return (
            f"bot {self.bot} of {self.now} has its ledger, account and state as one of strategy {self.before}: "
            f"`make rename STRATEGY={self.before} TO={self.now}` lets {self.now} take them over; to begin anew, give the bot another id"
        )


def awaited(state: Path) -> str:
    """Return the name whose data a strategy waits for; empty if it has what is its own."""
    try:
        old = foreign_files.read_bytes(state / WAITS, state.parent, 200).decode(errors="replace").strip()
    except OSError:
        return "" if state.is_dir() else "another name"  # just now its folder is being put in place
    return old if (state.parent / Path(old).name).is_dir() else ""


def wait(state: Path) -> None:
    """Return when the strategy has its data."""
    while awaited(state):
        time.sleep(0.05)


def announce(volumes: Volumes, old: str, new: str) -> None:
    """Let a loop of the new name wait for the old one's data; nothing is to be done if it has it already."""
    if not (volumes.state / old).is_dir():
        return
    _must_be_free(volumes, old, new)
    folder = volumes.state / new
    folder.mkdir(exist_ok=True)
    foreign_files.replace(folder / WAITS, volumes.state, old.encode())


def move(volumes: Volumes, old: str, new: str, patience: float, give: Give) -> None:
    """Give the old name's data to the new one; RenameError if a loop has it, or if the new name has data of its own.

    patience: seconds for a loop of the old name to end. give: makes a folder the new name's own. What was moved before a
    crash is not moved again.
    """
    if awaited(volumes.state / old) == new:  # it was only announced that the data would go there
        for root in volumes.all:
            _remove(root / old)
        return
    if not (volumes.state / old).is_dir():
        return
    _must_be_free(volumes, old, new)
    with _held(volumes.state / old, patience):
        _keep_lines(volumes.journal, old, new)
        give(volumes, old, new)
        for root in volumes.all:
            _take_the_place(root, old, new)


def moved_bots(volumes: Volumes, bots: Mapping[str, Sequence[str]]) -> Iterator[OrphanedBot]:
    """Yield bots (by strategy) that another strategy, which is not among these, has run here; each would run anew."""
    if not volumes.state.is_dir():  # nothing has run here yet
        return
    fresh = [name for name in bots if not _has_data(volumes, name) and not _waits(volumes, name)]
    gone = [name for name in foreign_files.folders(volumes.state) if name not in bots] if fresh else []
    owners = {bot: name for name in sorted(gone) for bot in _bots_of(volumes.journal / name)}
    for name in fresh:
        yield from (OrphanedBot(bot, owners[bot], name) for bot in bots[name] if bot in owners)


def _waits(volumes: Volumes, name: str) -> bool:
    return (volumes.state / name / WAITS).is_file()


def _has_data(volumes: Volumes, name: str) -> bool:
    return (volumes.state / name / LEDGER).exists()


def _bots_of(folder: Path) -> Sequence[str]:
    """Return the bots of a strategy as its loop said at its last start."""
    found: Sequence[str] = ()
    with suppress(OSError):
        for _, path in reversed(journal.days(folder)):
            for _, event in journal.read(path):
                said = event.get("bots") if event is not None and event["event"] == "service_start" else None
                if isinstance(said, list):
                    found = [str(bot) for bot in said]
            if found:
                break
    return found


def _must_be_free(volumes: Volumes, old: str, new: str) -> None:
    if _has_data(volumes, new):
        msg = (
            f"{new} has a ledger of its own already, and {old} has one too: stop {new} and delete its data "
            f"(`make remove STRATEGY={new} DATA=1` deletes its folder with it), or choose another name"
        )
        raise RenameError(msg)


@contextmanager
def _held(state: Path, patience: float) -> Iterator[None]:
    """Hold the lock of a loop; RenameError if a loop has it."""
    file = foreign_files.open_file(state / "loop.lock", state.parent, os.O_RDWR | os.O_CREAT)
    end = time.monotonic() + patience
    try:
        while True:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() >= end:
                    msg = f"{state.name} still runs: stop it first"
                    raise RenameError(msg) from None
                time.sleep(0.1)
        yield
    finally:
        os.close(file)


def _keep_lines(root: Path, old: str, new: str) -> None:
    """Add what the new name's loop has written while it was waiting to the journal that it takes over."""
    if not (root / new).is_dir() or not (root / old).is_dir():
        return
    for _, path in journal.days(root / new):
        lines = foreign_files.read_bytes(path, root, foreign_files.size_of(path, root))
        file = foreign_files.open_file(root / old / path.name, root, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(file, lines)
            os.fsync(file)
        finally:
            os.close(file)


def _take_the_place(root: Path, old: str, new: str) -> None:
    replaced = root / f".{new}{_REPLACED}"
    _remove(replaced)
    if (root / old).is_dir():
        with suppress(FileNotFoundError):
            (root / new).rename(replaced)
        (root / old).rename(root / new)
        sync(root)
    _remove(replaced)


def _remove(folder: Path) -> None:
    import shutil  # noqa: PLC0415 - 0.2 MB that no idle loop needs

    shutil.rmtree(folder, ignore_errors=True)
