"""A project's records on the server: releases, the audit, and what a transaction tells of itself."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

from deploy.remote.files import append_durably, lines_of, point_durably, read_text, reason_of, write_durably

RESERVE = 65536  # bytes that a transaction keeps, so that its end can be written on a disk that is full
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


class Records:
    """The folder of a project: releases/, current, transactions/, audit.jsonl, lock, shipped and files/."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.audit_file = root / "audit.jsonl"
        self.shipped_file = root / "shipped"

    def release(self, name: str) -> Path:
        """Return a release's folder."""
        return self.root / "releases" / name

    def current(self) -> str:
        """Return the id of the release that took over last; empty if there is none."""
        try:
            return (self.root / "current").readlink().name
        except OSError:
            return ""

    def next_number(self) -> int:
        """Return a number that is greater than every earlier one, even if the clock was set back."""
        path = self.root / "sequence"
        given = read_text(path)
        number = max([int(given) if given.isdigit() else 0, *(n for n, _ in self.taken_over())]) + 1
        write_durably(path, f"{number}\n")
        return number

    def taken_over(self) -> list[tuple[int, str]]:
        """Return the releases that have taken over, in that order: number and id.

        Releases from older versions have no number: they count as 0 and come first, by their ids.
        """
        releases = self.root / "releases"
        marks = [one for one in releases.glob("*/done") if not one.parent.name.startswith(".")]
        numbers = [(read_text(mark), mark.parent.name) for mark in marks]
        return sorted((int(text) if text.isdigit() else 0, name) for text, name in numbers)

    def take_over(self, release: str) -> None:
        """Let a release be the current one; OSError if that could not be written."""
        mark = self.release(release) / "done"
        if not read_text(mark).isdigit():
            # One that took over before there were numbers keeps its place.
            write_durably(mark, "" if mark.exists() else f"{self.next_number()}\n")
        point_durably(self.root / "current", f"releases/{release}")

    def audit(self, line: Mapping[str, Any]) -> None:
        """Add a line to the audit, with the time."""
        at = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
        append_durably(self.audit_file, json.dumps({**line, "at": at}))

    def shipped(self) -> list[str]:
        """Return the images that deploys have brought."""
        return lines_of(self.shipped_file)

    def images_of_releases(self) -> set[str]:
        """Return the images that the releases which are kept may need."""
        return {tag for file in self.root.glob("releases/*/images") for tag in lines_of(file)}

    def files_of_releases(self) -> set[str]:
        """Return the names in files/ that the releases which are kept may need."""
        return {name for file in self.root.glob("releases/*/files") for name in lines_of(file)}


class TransactionRecord:
    """A transaction's folder: state, log, and what ran when it began."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._reserve = folder / "reserve"

    def keep_reserve(self) -> None:
        """Set space aside for the end; OSError if the disk has none."""
        self._reserve.write_bytes(b"\0" * RESERVE)

    def say(self, line: str) -> None:
        """Write a line of the log, which is this process's output."""
        with contextlib.suppress(OSError):  # a full disk loses the line, and not the transaction
            print(line, flush=True)

    def step(self, what: str) -> None:
        """Write what is being done now; a full disk is a reason to go on."""
        self.say(what)
        with contextlib.suppress(OSError):
            write_durably(self.folder / "state", f"running {what}\n")

    def end(self, records: Records, audit: Mapping[str, Any], outcome: str, reason: str) -> None:
        """Write how it ended into the audit and into the state."""
        with contextlib.suppress(OSError):
            self._reserve.unlink()
        reason = " ".join(reason.split())
        try:
            records.audit({**audit, "outcome": outcome, "reason": reason})
        except OSError as error:
            reason = f"{reason}{'; ' if reason else ''}the audit could not be written: {reason_of(error)}"
        for _ in range(50):
            with contextlib.suppress(OSError):
                write_durably(self.folder / "state", f"ended {outcome} {reason}\n")
                return
            time.sleep(0.1)

    def sign(self) -> None:
        """Write that this process of this boot carries it out; OSError if the disk takes no more, and then nothing may begin."""
        write_durably(self.folder / "boot", boot_id() + "\n")
        write_durably(self.folder / "pid", f"{os.getpid()}\n")

    @property
    def has_begun(self) -> bool:
        """Whether a process has signed it."""
        return (self.folder / "pid").exists()

    @property
    def state(self) -> str:
        """What it does, or how it ended."""
        return read_text(self.folder / "state")

    @property
    def rebooted(self) -> bool:
        """Whether the machine was restarted since it began."""
        boot = read_text(self.folder / "boot")
        return bool(boot) and boot != boot_id()

    @property
    def alive(self) -> bool:
        """Whether its process lives."""
        processes = [read_text(self.folder / name) for name in ("pid", "worker")]
        return not self.rebooted and any(_lives(process) for process in processes if process.isdigit())


class ShouldRun:
    """The containers that the engine must run, written down for who goes on after this process."""

    def __init__(self, record: TransactionRecord) -> None:
        self._record = record
        self.containers: frozenset[str] = frozenset()

    def change(self, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Add containers and take some away."""
        self.containers = (self.containers - {*remove}) | {*add}
        try:
            write_durably(self._record.folder / "ran", "".join(f"{one}\n" for one in sorted(self.containers)))
        except OSError as error:
            self._record.say(f"what should run could not be written down: {reason_of(error)}")


def _lives(process: str) -> bool:
    try:
        os.kill(int(process), 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    # One that has ended, and that its parent has not asked for, is not alive.
    return ") Z " not in read_text(Path(f"/proc/{process}/stat"))


def boot_id() -> str:
    """Return what tells one boot of this machine from another."""
    return read_text(BOOT_ID) or "unknown"
