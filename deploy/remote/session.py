"""Answers a peer's commands one after the other, and holds a project's lock for it until it lets go or is gone."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from deploy.remote.files import lines_of, read_text, write_durably
from deploy.remote.records import TransactionRecord
from deploy.remote.rest import Rest

SILENCE = 30.0  # seconds; a peer that has died without a word says nothing for so long, and the lock is freed
ALIVE = "alive"  # a line that asks nothing
# A folder next to those of the projects, with a name that no project can have: this program, so that it is not sent again.
KEPT = ".programs"
KEPT_PROGRAMS = 3
STARTS_WITHIN = 60.0  # seconds for a transaction to begin, on a server that is busy


class Lines:
    """Lines of standard input, each of which must come in time."""

    def __init__(self, descriptor: int = 0) -> None:
        self._descriptor = descriptor
        self._read = b""

    def next(self, seconds: float = SILENCE) -> str | None:
        """Return the next line; None at the end, or if none came."""
        end = time.monotonic() + seconds
        while b"\n" not in self._read:
            ready, _, _ = select.select([self._descriptor], [], [], max(0.0, end - time.monotonic()))
            some = os.read(self._descriptor, 65536) if ready else b""
            if not some:
                return None
            self._read += some
        line, _, self._read = self._read.partition(b"\n")
        return line.decode(errors="replace")


@dataclass(frozen=True)
class CommandResult:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str


def serve(lines: Lines, run: Callable[[Sequence[str], str], CommandResult]) -> None:
    """Answer each line, a command with its input, by a line, for as long as the peer is there."""
    while (line := lines.next()) is not None:
        if line != ALIVE:
            asked = json.loads(line)
            print(json.dumps(vars(run(asked["words"], asked["input"]))), flush=True)


class Lock:
    """The lock on a project, and what only its holder may ask for: a transaction, or that everything stops for a while."""

    def __init__(self, program: str, rest: Rest) -> None:
        self._program, self._rest = program, rest
        self._root = Path()
        self._descriptor: int | None = None

    def acquire(self, root: Path, holder: str) -> str:
        """Return "locked", or "held" and who has it; OSError says why neither is possible."""
        for folder in (root / "releases", root / "transactions"):
            folder.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(descriptor)
            if isinstance(error, BlockingIOError):
                return f"held {read_text(root / 'lock')}"
            raise
        self._root, self._descriptor = root, descriptor
        os.ftruncate(descriptor, 0)
        with contextlib.suppress(OSError):  # on a full disk the holder has no name
            os.pwrite(descriptor, f"{holder}\n".encode(), 0)
        keep_program(root.parent / KEPT, self._program)
        return "locked"

    def free(self) -> None:
        """Start again what was stopped, unless it is to stay so, and let go; a transaction that was started has the lock."""
        try:
            self._rest.leave()
        finally:
            if self._descriptor is not None:
                os.close(self._descriptor)
            self._descriptor = None

    def start(self, name: str) -> None:
        """Start a transaction, which goes on by itself, with the lock; ValueError says why it has not begun."""
        record = TransactionRecord(self._root / "transactions" / name)
        folder = record.folder
        if self._descriptor is None or not (folder / "plan.json").is_file():
            msg = "the plan has not arrived"
            raise ValueError(msg)
        record.keep_reserve()
        place_program(self._root.parent / KEPT, self._program, folder / "program.py")
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", str(folder / "program.py"), "run", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                pass_fds=(self._descriptor,),
            )
        end = time.monotonic() + STARTS_WITHIN
        while not record.has_begun:
            if process.poll() is not None:
                said = [f"it said nothing: is the disk of {self._root} full?", *lines_of(folder / "log")]
                raise ValueError(said[-1].removeprefix("openbell: "))
            if time.monotonic() >= end:
                process.kill()
            time.sleep(0.02)

    def stop(self, project: str) -> None:
        """Stop everything, until `again` or the end, also that of the peer; after `stay` only `again` starts it."""
        self._rest.begin(project)

    def stay(self) -> None:
        """Let what was stopped stay so."""
        self._rest.stay()

    def again(self) -> None:
        """Start what was stopped."""
        self._rest.end()


def keep_program(folder: Path, program: str) -> None:
    """Store the program for later commands, and remove old ones; a disk that takes nothing lets it be sent each time."""
    path = _kept(folder, program)
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        if _holds(path, program):
            path.touch()
            return
        write_durably(path, program)
        for old in sorted(folder.glob("*.py"), key=lambda one: one.stat().st_mtime)[:-KEPT_PROGRAMS]:
            old.unlink()


def place_program(folder: Path, program: str, path: Path) -> None:
    """Give a transaction the program: as another name of the one that is kept, since twenty copies would fill a small disk."""
    kept = _kept(folder, program)
    if _holds(kept, program):
        with contextlib.suppress(OSError):  # another file system, or one without links
            os.link(kept, path)
            return
    write_durably(path, program)


def _kept(folder: Path, program: str) -> Path:
    return folder / f"{hashlib.sha256(program.encode()).hexdigest()}.py"


def _holds(path: Path, program: str) -> bool:
    try:
        return path.read_bytes() == program.encode()
    except OSError:
        return False
