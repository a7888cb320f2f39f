"""`make backup` and `make restore`: everything that must outlive a machine, as one file that was read back."""

import os
import re
from argparse import Namespace
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO

from deploy import processes, scratch
from deploy.data import backup_places, installation
from deploy.data.backup_places import BackupPlace, Files
from deploy.data.installation import HostContainers, Installation
from deploy.errors import CommandError
from deploy.hosts import config
from deploy.local.process_target import OPENBELL
from deploy.processes import Output
from deploy.settings import Settings
from deploy.ssh.connection import Connection

FOLDER = Path("backups")  # of those that commands make by themselves; git does not look at it


def backup(settings: Settings, options: Namespace) -> int:
    """Write a backup while everything runs, read it back, keep it where TO= says, and remove what is too old."""
    with installation_of(options.host, settings) as there:
        place = backup_places.place(options.to, name(there), stamp())
        if options.keep and isinstance(place, Files) and not place.prefix:
            msg = f"KEEP=: is for backups to a folder, and {options.to} is none"
            raise CommandError(msg, 2)
        print(f"openbell: wrote {write(there, place)}", flush=True)
    for old in place.prune(options.keep) if options.keep else ():
        print(f"openbell: deleted {old}")
    return 0


def restore(settings: Settings, options: Namespace) -> int:
    """Replace what is there by a backup; what was there is kept as a backup here."""
    with backup_places.fetched(options.source) as file, installation_of(options.host, settings) as there:
        _check(file)
        with there.stopped(installation.RESTORE):
            beside = file if file == Path(options.source).expanduser() else _folder() / file.name
            kept = Files(beside.parent, f"{beside.name}.before-{stamp()}.tar.gz")
            write(there, kept, "--as-is")
            print(f"openbell: what was there is kept in {beside.with_name(kept.name)}", flush=True)
            holds = put_in_place(there, file)
        print(f"openbell: restored {options.source}: {holds}{f'; `{there.start}` starts it' if there.start else ''}")
    return 0


def to_own_folder(there: Installation) -> Path:
    """Write a backup into the kit's own folder for them, and return the file."""
    place = Files(_folder(), f"{name(there)}-{stamp()}.tar.gz")
    print(f"openbell: wrote {write(there, place)}", flush=True)
    return place.scratch / place.name


def name(there: Installation) -> str:
    """Return what the names of an installation's backups begin with."""
    return re.sub(r"[^\w.-]", "_", there.name)


def stamp() -> str:
    """Return the time as names of backups have it: in order of time."""
    return f"{datetime.now(UTC):%Y%m%dT%H%M%SZ}"


def write(there: Installation, place: BackupPlace, *words: str) -> str:
    """Write a backup, whole and verified or not at all; return what it is called and what it holds."""
    return written(place, lambda output: there.backup(output, *words), _check)


def written(place: BackupPlace, fill: Callable[[BinaryIO], Output], check: Callable[[Path], str]) -> str:
    """Keep at a place what is written into a file and passes a check; return what it is called and what the check says."""
    with scratch.folder() as passing:
        part = (place.scratch or passing) / f".openbell-{os.getpid()}.part"
        try:
            # It holds all positions and what strategies remember: for its owner alone.
            with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
                done = fill(output)
                os.fsync(output.fileno())
            if done.code:
                msg = f"no backup was made: {reason(done.errors)}"
                raise CommandError(msg)
            holds = check(part)
            return f"{place.keep(part)}: {holds}"
        except OSError as error:
            msg = f"{part.parent}: cannot be written: {error.strerror}"
            raise CommandError(msg) from None
        finally:
            part.unlink(missing_ok=True)


def put_in_place(there: Installation, file: Path) -> str:
    """Restore a backup where nothing runs, and return what it holds."""
    with file.open("rb") as source:
        done = there.restore(source)
    if done.code:
        msg = f"nothing was restored: {reason(done.errors)}"
        raise CommandError(msg)
    return done.text.strip()


@contextmanager
def installation_of(host: str | None, settings: Settings) -> Iterator[Installation]:
    """Give the installation of a host, or this machine's."""
    if not host:
        yield installation.local(settings)
        return
    with Connection(config.find(host, settings)) as connection:
        yield HostContainers(connection)


def _folder() -> Path:
    FOLDER.mkdir(mode=0o700, exist_ok=True)
    return FOLDER


def _check(file: Path) -> str:
    with file.open("rb") as source:
        done = processes.piped(processes.Command((OPENBELL, "restore", "--check")), source)
    if done.code:
        msg = f"{file}: {reason(done.errors)}"
        raise CommandError(msg)
    return done.text.strip()


def reason(output: str) -> str:
    """Return the line of a command's errors that says why it failed."""
    lines = [line for line in output.splitlines() if line.strip()]
    ours = [line.partition(": ")[2] for line in lines if line.startswith(("openbell ", "openbell: "))]
    return (ours or lines or ["it said nothing"])[-1]
