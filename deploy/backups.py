"""`make backup` and `make restore`: everything that must outlive this machine, as one file that was read back."""

import json
import os
import re
from argparse import Namespace
from datetime import UTC, datetime
from pathlib import Path

from deploy import processes
from deploy.docker import compose
from deploy.errors import CommandError
from deploy.local.process_target import OPENBELL, ProcessTarget
from deploy.local.processes import LocalPaths
from deploy.local.run import data_folder, lock_data
from deploy.settings import Settings, values
from deploy.target import here

STATE = "/var/lib/openbell"  # of the supervisor, in containers
_NAMED = re.compile(r"openbell-\d{8}T\d{6}Z\.tar\.gz")  # by a backup to a folder; by name they are in order of time


def backup(settings: Settings, options: Namespace) -> int:
    """Write a backup while everything runs, read it back, and give it its name."""
    target = Path(options.to).expanduser()
    folder = target if target.is_dir() else None
    if options.keep and folder is None:
        msg = f"KEEP=: is for backups to a folder, and {target} is none"
        raise CommandError(msg, 2)
    if folder is not None:
        target = folder / f"openbell-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz"
    print(f"openbell: wrote {target}: {_write(settings, target)}")
    if folder is not None and options.keep:
        for old in surplus(folder, options.keep):
            old.unlink(missing_ok=True)
            print(f"openbell: deleted {old}")
    return 0


def surplus(folder: Path, keep: int) -> list[Path]:
    """Return the backups of a folder that are older than the newest `keep`; files with other names are none of ours."""
    found = sorted(path for path in folder.iterdir() if _NAMED.fullmatch(path.name) and path.is_file())
    return found[:-keep]


def restore(settings: Settings, options: Namespace) -> int:
    """Put a backup in the place of what is here; that is kept as a backup beside it."""
    file = Path(options.source).expanduser()
    if not file.is_file():
        msg = f"FROM=: there is no file {file}"
        raise CommandError(msg, 2)
    _check(file)
    given = values(Path(".env"), os.environ)
    where = here(settings, given)
    lock: int | None = None
    if isinstance(where, ProcessTarget):
        lock = lock_data(LocalPaths(Path(), data_folder(settings.project, given)))
    elif running := [one.name for one in where.services() if one.state in {"running", "restarting"}]:
        msg = (
            f"{', '.join(running[:3])} {'runs' if len(running) == 1 else 'run'}: stop everything with `make down` first"
        )
        raise CommandError(msg)
    try:
        kept = file.with_name(f"{file.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.tar.gz")
        _write(settings, kept, "--as-is")
        print(f"openbell: what was here is kept in {kept}")
        with file.open("rb") as source:
            done = processes.piped(_inside(settings, "restore"), source)
    finally:
        if lock is not None:
            os.close(lock)
    if done.code:
        msg = f"nothing was restored: {_reason(done.errors)}"
        raise CommandError(msg)
    print(f"openbell: restored {file}: {done.text.strip()}; `make up` starts it")
    return 0


def _write(settings: Settings, target: Path, *words: str) -> str:
    """Write a backup, whole and verified or not at all; return what it holds."""
    part = target.with_name(f".{target.name}.part")
    try:
        # It holds all positions and what strategies remember: for its owner alone.
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as output:
            done = processes.piped(_inside(settings, "backup", *words), None, output)
            os.fsync(output.fileno())
        if done.code:
            msg = f"no backup was made: {_reason(done.errors)}"
            raise CommandError(msg)
        found = _check(part)
        part.rename(target)
    except OSError as error:
        msg = f"{target}: cannot be written: {error.strerror}"
        raise CommandError(msg) from None
    finally:
        part.unlink(missing_ok=True)
    return found


def _check(file: Path) -> str:
    with file.open("rb") as source:
        done = processes.piped(processes.Command((OPENBELL, "restore", "--check")), source)
    if done.code:
        msg = f"{file}: {_reason(done.errors)}"
        raise CommandError(msg)
    return done.text.strip()


def _inside(settings: Settings, *words: str) -> processes.Command:
    """Return how to run a command of openbell where the data are: a container with all volumes, or a process."""
    given = values(Path(".env"), os.environ)
    where = here(settings, given)
    if isinstance(where, ProcessTarget):
        data = data_folder(settings.project, given)
        if not data.is_dir():
            msg = f"{data}: nothing is there: `make up` starts everything"
            raise CommandError(msg)
        folders = {
            **LocalPaths(Path(), data).environment(),
            "OPENBELL_SUPERVISOR_STATE": str(data / compose.SUPERVISOR),
        }
        return processes.Command((OPENBELL, *words), {**os.environ, **folders})
    configuration = json.loads(processes.output(compose.configuration()))
    volume = configuration["volumes"]["supervisor"]["name"]
    return processes.Command(compose.with_volumes(f"{volume}:{STATE}", words))


def _reason(told: str) -> str:
    lines = [line for line in told.splitlines() if line.strip()]
    ours = [line.partition(": ")[2] for line in lines if line.startswith("openbell ")]
    return (ours or lines or ["it said nothing"])[-1]
