"""An installation's data, where they are: in containers' volumes here or on a host, or in a folder of plain processes."""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import BinaryIO, Protocol

from deploy import audit, processes
from deploy.docker import compose, configuration
from deploy.errors import CommandError
from deploy.local.process_target import OPENBELL, ProcessTarget
from deploy.local.processes import LocalPaths
from deploy.local.run import data_folder, lock_data
from deploy.processes import Command, Output
from deploy.release import host_state, provenance
from deploy.release.lock import HostLock, LockHeldError
from deploy.remote.data import MOVE, mover
from deploy.remote.plan import DATABASE
from deploy.settings import Settings, values
from deploy.ssh import program
from deploy.ssh.connection import Connection
from deploy.target import LocalTarget, here

RESTORE, KEEP_COMPARISON = "restore", "keep-comparison"
DOING = {RESTORE: "restoring a backup", MOVE: "moving data to or from a database"}  # as a lock names it


class Installation(Protocol):
    """What a backup is made of, and what a restore replaces."""

    name: str  # of its backups
    start: str  # what starts it after a restore; empty if it is started by itself

    def has_data(self) -> bool:
        """Tell whether anything was written there."""

    def backup(self, target: BinaryIO, *words: str) -> Output:
        """Write a backup while everything runs."""

    def restore(self, source: BinaryIO) -> Output:
        """Replace what is there by a backup."""

    def keep_comparison(self, strategy: str, source: BinaryIO) -> Output:
        """Let the pages of a strategy's runs show what `make compare` has found."""

    def move_data(self, way: str) -> Output:
        """Bring what strategies know to the database or to files, where nothing runs; way: an option of the command."""

    @contextmanager
    def stopped(self, action: str) -> Iterator[None]:
        """Return a block in which nothing runs there, for one of DOING; CommandError if that cannot be."""


def local(settings: Settings) -> "Containers | Processes":
    """Return this machine's."""
    given = values(Path(".env"), os.environ)
    where = here(settings, given)
    if isinstance(where, ProcessTarget):
        return Processes(data_folder(settings.project, given))
    return Containers(where)


class Processes:
    """Plain processes."""

    name, start = "openbell", "make up"

    def __init__(self, data: Path) -> None:
        self._data = data

    def has_data(self) -> bool:
        """Tell whether there is a folder."""
        return self._data.is_dir()

    def backup(self, target: BinaryIO, *words: str) -> Output:
        """Read the folder."""
        if not self.has_data():
            msg = f"{self._data}: nothing is there: `make up` starts everything"
            raise CommandError(msg)
        return processes.piped(self._command("backup", *words), None, target)

    def restore(self, source: BinaryIO) -> Output:
        """Write the folder."""
        return processes.piped(self._command("restore"), source)

    def keep_comparison(self, strategy: str, source: BinaryIO) -> Output:
        """Write it into the folder."""
        return processes.piped(self._command(KEEP_COMPARISON, strategy), source)

    def move_data(self, way: str) -> Output:
        """Read and write the folder."""
        return processes.piped(self._command(MOVE, way), None)

    @contextmanager
    def stopped(self, _: str) -> Iterator[None]:
        """Hold the folder's lock, so that nothing can start meanwhile."""
        lock = lock_data(LocalPaths(Path(), self._data))
        try:
            yield
        finally:
            os.close(lock)

    def rename(self, old: str, new: str, seconds: int) -> Output:
        """Give a strategy's data another name, once its loop has ended, which may take so long."""
        return processes.piped(self._command("rename", f"--wait={seconds}", old, new), None)

    def _command(self, *words: str) -> Command:
        folders = {
            **LocalPaths(Path(), self._data).environment(),
            "OPENBELL_SUPERVISOR_STATE": str(self._data / compose.SUPERVISOR),
        }
        return Command((OPENBELL, *words), {**os.environ, **folders})


class Containers:
    """Containers of this machine."""

    name, start = "openbell", "make up"

    def __init__(self, target: LocalTarget) -> None:
        self._target = target

    def has_data(self) -> bool:
        """Tell whether the project has volumes."""
        return bool(processes.output(compose.volumes(self._target.project)).strip())

    def backup(self, target: BinaryIO, *words: str) -> Output:
        """Read the volumes in a container for that alone."""
        return processes.piped(self._command("backup", *words), None, target)

    def restore(self, source: BinaryIO) -> Output:
        """Write the volumes in such a container."""
        return processes.piped(self._command("restore"), source)

    def keep_comparison(self, strategy: str, source: BinaryIO) -> Output:
        """Write it into the supervisor's volume."""
        return processes.piped(self._command(KEEP_COMPARISON, strategy), source)

    def move_data(self, way: str) -> Output:
        """Read and write the volumes in a container of the supervisor's for that alone, which reaches the database."""
        volumes = {name: one["name"] for name, one in configuration.read()["volumes"].items()}
        return processes.piped(Command((*compose.COMPOSE, *mover(volumes, (MOVE, way)))), None)

    @contextmanager
    def stopped(self, _: str) -> Iterator[None]:
        """Refuse while something runs."""
        running = [
            one.name
            for one in self._target.services()
            if one.state in {"running", "restarting"} and one.name != DATABASE
        ]
        if running:
            run = "runs" if len(running) == 1 else "run"
            msg = f"{', '.join(running[:3])} {run}: stop everything with `make down` first"
            raise CommandError(msg)
        yield

    def rename(self, old: str, new: str, seconds: int) -> Output:
        """Give a strategy's data another name, once its loop has ended, which may take so long."""
        return processes.piped(self._command("rename", f"--wait={seconds}", old, new), None)

    def _command(self, *words: str) -> Command:
        volume = configuration.read()["volumes"]["supervisor"]["name"]
        return Command(compose.with_volumes(f"{volume}:{compose.SUPERVISOR_STATE}", words))


class HostContainers:
    """Containers of a host, over one connection.

    release: whose files say which volumes there are; the current one's by default.
    """

    start = ""

    def __init__(self, connection: Connection, release: str = "") -> None:
        self._connection, self._release = connection, release
        self.name = f"openbell-{connection.host.name}"

    def has_data(self) -> bool:
        """Tell whether anything was deployed."""
        return host_state.fetch(self._connection).current is not None

    def backup(self, target: BinaryIO, *words: str) -> Output:
        """Read the volumes in a container for that alone, and bring what it writes here."""
        return program.stream(self._connection, *self._words("backup", *words), target=target)

    def restore(self, source: BinaryIO) -> Output:
        """Write the volumes in such a container, of what comes from here."""
        return program.stream(self._connection, *self._words("restore"), source=source)

    def keep_comparison(self, strategy: str, source: BinaryIO) -> Output:
        """Write it into the supervisor's volume there."""
        return program.stream(self._connection, *self._words(KEEP_COMPARISON, strategy), source=source)

    def move_data(self, way: str) -> Output:
        """Read and write the volumes in such a container, which reaches the database."""
        return program.stream(self._connection, *self._words(MOVE, way))

    @contextmanager
    def stopped(self, action: str) -> Iterator[None]:
        """Stop everything there at a quiet moment, and start it again afterwards, also if this process or the connection dies."""
        try:
            with HostLock(self._connection, provenance.who(), DOING[action], "") as session:
                session.stop(self._connection.host.project)
                with self._audited(action):
                    yield
        except LockHeldError as held:
            msg = f"{self._connection.host.name}: {held}: wait until it is done, and try again"
            raise CommandError(msg) from None

    @contextmanager
    def _audited(self, action: str) -> Iterator[None]:
        """Write into the server's audit what was done there, whether or not it succeeded."""
        line = {"action": action, "by": provenance.who(), "host": self._connection.host.name}
        try:
            yield
        except CommandError as problem:
            with suppress(CommandError):  # the connection may be what has failed
                audit.append(self._connection, {**line, "outcome": "failed", "reason": str(problem)})
            raise
        audit.append(self._connection, {**line, "outcome": "succeeded", "reason": ""})

    def _words(self, *words: str) -> tuple[str, ...]:
        host = self._connection.host
        return ("data", host_state.folder(host), host.project, self._release, *words)
