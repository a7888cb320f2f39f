"""Holds a project's lock for as long as the process at the other end lives, and hands it to the transaction that it starts."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

from deploy.remote.docker_client import DockerError
from deploy.remote.files import lines_of, read_text, reason_of, write_durably
from deploy.remote.records import TransactionRecord
from deploy.remote.rest import Rest

SILENCE = 30.0  # seconds; a peer that has died without a word says nothing for so long, and the lock is freed
# A folder beside those of the projects, by a name that no project can have: this program, so that it is not sent again.
KEPT = ".programs"
KEPT_PROGRAMS = 3
STARTS_WITHIN = 10.0  # seconds for a transaction to write its first state


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


def hold_lock(root: Path, program: str, lines: Lines, rest: Rest) -> int:
    """Answer "locked", "held HOLDER" or "failed REASON", then obey until "end".

    "start TRANSACTION" starts one. "stop PROJECT" stops everything, until "again" or the end, also that of the peer;
    after "stay" only "again" starts it.
    """
    try:
        for folder in (root / "releases", root / "transactions"):
            folder.mkdir(parents=True, exist_ok=True)
        lock = os.open(root / "lock", os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        _answer(f"failed {reason_of(error)}")
        return 1
    owner = lines.next()
    if owner is None:
        return 1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        _answer(f"held {read_text(root / 'lock')}")
        return 0
    except OSError as error:
        _answer(f"failed {reason_of(error)}")
        return 1
    try:
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{owner}\n".encode(), 0)
    except OSError:
        os.ftruncate(lock, 0)  # on a full disk the holder has no name
    _answer("locked")
    keep_program(root.parent / KEPT, program)
    actions: dict[str, Callable[[str], str]] = {
        "start": lambda name: _start(root / "transactions" / name, program, lock),
        "stop": lambda project: _done("stopped", lambda: rest.begin(project)),
        "stay": lambda _: _done("stays", rest.stay),
        "again": lambda _: _done("runs", rest.end),
    }
    try:
        while (line := lines.next()) is not None and line != "end":
            word, _, value = line.partition(" ")
            if word in actions:
                _answer(actions[word](value))
    finally:
        rest.leave()
    return 0


def _done(answer: str, action: Callable[[], None]) -> str:
    try:
        action()
    except DockerError as error:
        return f"failed {error}"
    return answer


def keep_program(folder: Path, program: str) -> None:
    """Store the program for later commands, and remove old ones; a disk that takes nothing lets it be sent each time."""
    path = folder / f"{hashlib.sha256(program.encode()).hexdigest()}.py"
    with contextlib.suppress(OSError):
        folder.mkdir(exist_ok=True)
        if path.exists():
            path.touch()
            return
        write_durably(path, program)
        for old in sorted(folder.glob("*.py"), key=lambda one: one.stat().st_mtime)[:-KEPT_PROGRAMS]:
            old.unlink()


def _start(folder: Path, program: str, lock: int) -> str:
    """Start a transaction that goes on by itself, with the lock; return "started" only once it has begun."""
    record = TransactionRecord(folder)
    try:
        if not (folder / "plan.json").is_file():
            return "failed the plan has not arrived"
        record.keep_reserve()
        write_durably(folder / "program.py", program)
        with (folder / "log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-I", str(folder / "program.py"), "run", str(folder)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd="/",
                start_new_session=True,
                pass_fds=(lock,),
            )
        record.sign(process.pid)
    except OSError as error:
        return f"failed {reason_of(error)}"
    end = time.monotonic() + STARTS_WITHIN
    while not record.state:
        if process.poll() is not None or time.monotonic() >= end:
            said = lines_of(folder / "log")
            return f"failed {said[-1] if said else 'it ended without a word'}"
        time.sleep(0.02)
    return "started"


def _answer(text: str) -> None:
    print(" ".join(text.split()) if not text.startswith("held ") else text, flush=True)
