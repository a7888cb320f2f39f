"""`make database`, and its backups: PostgreSQL as a service of this kit, for those who have none."""

import os
import secrets
import tarfile
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import BinaryIO

from deploy import processes
from deploy.data import backup_places, backups
from deploy.docker import database as commands
from deploy.docker import images
from deploy.docker.compose import Command
from deploy.errors import CommandError
from deploy.hosts import config
from deploy.log import log_to_stdout
from deploy.processes import Output
from deploy.settings import DATABASE, Settings, values
from deploy.ssh import program
from deploy.ssh.connection import Connection

PASSWORD_FILE = "OPENBELL_DATABASE_PASSWORD_FILE"  # noqa: S105 - a setting's name
PASSWORD = Path("secrets/database-password")
PROFILES = "COMPOSE_PROFILES"
PATIENCE = 60.0  # seconds for the first answer; a cluster is made before it


def database(settings: Settings, options: Namespace) -> int:
    """Start PostgreSQL here, with a password of its own, and say what .env needs for it."""
    if options.host:
        msg = (
            f"`make database` starts it on this machine; on a server it comes with a deploy: set "
            f'profiles = "{commands.SERVICE}" for {options.host} in deploy/hosts.toml, {DATABASE} and {PASSWORD_FILE} in .env, '
            f"and `make deploy HOST={options.host}`"
        )
        raise CommandError(msg)
    given, log = values(Path(".env"), os.environ), log_to_stdout(settings.log)
    password = Path(given.get(PASSWORD_FILE) or PASSWORD).expanduser()
    _must_have_password(password)
    log.info("building the database's image")
    if code := images.build_images(commands.build(), log):
        msg = "the image could not be built: the step that failed is above"
        raise CommandError(msg, code)
    log.info("starting the database and waiting for its first answer")
    code = processes.long(commands.start(), log, {**os.environ, PASSWORD_FILE: str(password.absolute())})
    if code or not _answers(settings.project):
        msg = "the database does not answer: see above, and `make logs STRATEGY=database`"
        raise CommandError(msg, code or 1)
    profiles = [one for one in given.get(PROFILES, "").split(",") if one]
    wanted = {
        PROFILES: ",".join(dict.fromkeys([*profiles, commands.SERVICE])),
        PASSWORD_FILE: given.get(PASSWORD_FILE) or f"./{PASSWORD}",
        DATABASE: f"postgresql://openbell:{password.read_text().strip()}@{commands.SERVICE}:5432/postgres?sslmode=disable",
    }
    print("The database runs.")
    if missing := {key: value for key, value in wanted.items() if given.get(key) != value}:
        print(
            "\n".join(("Put this into .env; docs/several-hosts.md says what follows:", *map("=".join, missing.items())))
        )
    return 0


def backup(settings: Settings, options: Namespace) -> int:
    """Take a base backup while all works; with TO= keep it there too, with the write-ahead log."""
    with _place(options.host, settings) as place:
        print(f"openbell: took {_must(place.run(commands.within(place.project, 'backup'))).text.strip()}", flush=True)
        if options.to:
            kept = backup_places.place(options.to, f"{commands.SERVICE}-{options.host or 'openbell'}", backups.stamp())
            description = backups.written(kept, partial(place.run, commands.pack(place.project), None), _holds)
            print(f"openbell: wrote {description}")
    return 0


def restore(settings: Settings, options: Namespace) -> int:
    """Replace the database's data, which are kept, by the newest state of the backups or that of an instant."""
    with _place(options.host, settings) as place:
        if options.source:
            with backup_places.fetched(options.source) as file, file.open("rb") as source:
                _holds(file)
                _must(place.run(commands.unpack(place.project), source))
        done = _must(place.run(commands.restore(place.project, options.at or "")))
        print(f"openbell: {done.text.strip()}; it replays the log, and then answers")
    return 0


class _Place:
    """The engine with the database's container, here or over a connection."""

    def __init__(self, project: str, connection: Connection | None) -> None:
        self.project, self._connection = project, connection

    def run(self, command: Command, source: BinaryIO | None = None, target: BinaryIO | None = None) -> Output:
        """Run a command there."""
        if self._connection is None:
            return processes.piped(processes.Command(command), source, target)
        start = partial(self._connection.start, command)
        return program.exchange(self._connection, lambda said: start(errors=said), source, target)


@contextmanager
def _place(host: str | None, settings: Settings) -> Iterator[_Place]:
    if not host:
        yield _Place(settings.project, None)
        return
    with Connection(config.find(host, settings)) as connection:
        yield _Place(connection.host.project, connection)


def _answers(project: str) -> bool:
    until = time.monotonic() + PATIENCE
    while processes.piped(processes.Command(commands.answers(project)), None).code:
        if time.monotonic() > until:
            return False
        time.sleep(0.5)
    return True


def _must(done: Output) -> Output:
    if done.code:
        raise CommandError(backups.reason(done.errors))
    return done


def _holds(file: Path) -> str:
    """Return what a file of backups holds; CommandError if it is none."""
    try:
        with tarfile.open(file) as content:
            bases = {name.split("/")[1] for name in content.getnames() if name.endswith("/base.tar.gz")}
    except (tarfile.TarError, OSError, EOFError):
        bases = set()
    if not bases:
        msg = f"{file}: it is not a backup of a database, or it is damaged"
        raise CommandError(msg)
    return f"base backups up to {max(bases)}, and the log since the oldest of {len(bases)}"


def _must_have_password(file: Path) -> None:
    """Make a password where there is none; Compose gives the container this file, whose user there must be able to read it."""
    if file.is_file() and file.read_text().strip():
        return
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    file.write_text(f"{secrets.token_hex(24)}\n")
    file.chmod(0o644)  # in a folder that only its owner enters
