"""`make move-to`: strategies with all that they know on another server, which start there once they have stopped here.

Everything is on the new server before anything is touched. Then the old place is stopped at a quiet moment, its data are carried
over, and the new one starts. Until the old one has confirmed that it stays stopped, it starts again by itself whatever happens;
from then on the new one alone may run, and the old one starts again only if the new one is known not to. So a slot is never
run on both.
"""

import os
import time
from argparse import Namespace
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Protocol

from deploy import audit, scratch, start, up
from deploy.data import backups, installation
from deploy.data.backup_places import Files
from deploy.data.installation import HostContainers, Installation
from deploy.docker.compose import SUPERVISOR, ServiceCommand
from deploy.errors import CommandError
from deploy.hosts import config
from deploy.log import Log, log_to_stdout
from deploy.release import commands as releases
from deploy.release import host_state, provenance
from deploy.release.lock import HostLock, LockHeldError
from deploy.release.release import Release
from deploy.settings import Settings, strategies_folder, values
from deploy.ssh.connection import Connection, Host
from deploy.strategy_folders.check import must_pass
from deploy.target import here

IDLE = ("idle", "--within", "5", "--for", "180")  # as a deploy waits for a quiet moment
KNOWN_WITHIN = 300.0  # seconds to learn whether the new server runs the strategies, should the connection be lost
TRY_EVERY = 5.0  # seconds


class Origin(Protocol):
    """The place that is left."""

    label: str
    data: Installation

    def running(self) -> frozenset[str]:
        """Return the services that run there."""

    def stopped(self) -> AbstractContextManager["Stopped"]:
        """Stop everything at a quiet moment for a block; at its end it starts again, unless it is to stay stopped."""

    def left_for(self, new: str) -> None:
        """Write down where everything went."""


class Stopped(Protocol):
    """Everything at the old place, stopped."""

    def stay(self) -> None:
        """Let it stay so after the block, also if this process dies."""

    def again(self) -> None:
        """Start it again after all."""


class HostOrigin:
    """A server. It starts again by itself too if this process or the connection dies before it is to stay stopped."""

    def __init__(self, connection: Connection) -> None:
        self._connection, self.label = connection, connection.host.name
        self.data: Installation = HostContainers(connection)

    def running(self) -> frozenset[str]:
        """Ask the server."""
        return _running(self._connection)

    @contextmanager
    def stopped(self) -> Iterator[Stopped]:
        """Hold the server's lock meanwhile."""
        try:
            with HostLock(self._connection, provenance.who(), "moving to another server", "") as session:
                session.stop(self._connection.host.project)
                yield session
        except LockHeldError as held:
            msg = f"{self.label}: {held}: wait until it is done, and try again"
            raise CommandError(msg) from None

    def left_for(self, new: str) -> None:
        """Add a line to the server's audit."""
        line = {"action": "move", "by": provenance.who(), "host": self.label, "outcome": "succeeded"}
        audit.append(self._connection, {**line, "reason": f"to {new}"})


class LocalOrigin:
    """This machine, with containers or processes."""

    label = "this machine"

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._where = here(settings, values(Path(".env"), os.environ))
        self.data: Installation = installation.local(settings)
        self._stays = False

    def running(self) -> frozenset[str]:
        """Ask the engine, or the background service."""
        return frozenset(one.name for one in self._where.services() if one.state == "running")

    @contextmanager
    def stopped(self) -> Iterator[Stopped]:
        """Stop it as `make down` does."""
        for service in sorted(self.running() - {SUPERVISOR}):
            self._where.run(ServiceCommand(service, IDLE))
        start.down(self._settings, Namespace())
        try:
            yield self
        finally:
            if not self._stays:
                self.again()

    def left_for(self, new: str) -> None:
        """There is no audit here."""

    def stay(self) -> None:
        """Nothing starts it but `make up`."""
        self._stays = True

    def again(self) -> None:
        """Start it as `make up` does."""
        up.up(self._settings, Namespace())


def move_to(settings: Settings, options: Namespace) -> int:
    """Bring what runs here or on a host to another host, with all that it knows."""
    must_pass(settings, options, "moved")
    return move(settings, options.host, options.source)


def move(settings: Settings, to: str, source: str | None) -> int:
    """Move from a host, or without one from this machine; return the exit code."""
    log, new = log_to_stdout(settings.log), config.find(to, settings)
    if source == to:
        msg = f"FROM=: {source} is where the strategies are to go"
        raise CommandError(msg, 2)
    with _old(settings, source) as old:
        if not old.running() - {SUPERVISOR}:
            msg = f"nothing that could be moved runs on {old.label}"
            raise CommandError(msg)
        _must_be_free(new)
        _Move(old, new, log).carry_out()
        old.left_for(to)
    print(f"openbell: {to} runs what {old.label} ran; `make status HOST={to}` shows it")
    return 0


class _Move:
    def __init__(self, old: Origin, new: Host, log: Log) -> None:
        self._old, self._new, self._log = old, new, log
        self._rest = ExitStack()
        self._left: Stopped | None = None  # the old place, once it stays stopped

    def carry_out(self) -> None:
        """Deploy, and in between stop and carry; CommandError once it is known which of the two runs."""
        with self._rest:
            try:
                releases.deploy(self._new, self._log, releases.DeployOptions(), strategies_folder(), self._carry_over)
            except (CommandError, KeyboardInterrupt) as problem:
                if self._left is None:
                    raise
                raise self._one_runs(str(problem) or "interrupted", self._left) from None
        if self._left is None:
            msg = f"{self._new.name}: nothing was started there, and {self._old.label} runs as before"
            raise CommandError(msg)

    def _carry_over(self, connection: Connection, release: Release) -> None:
        """Stop the old place and put its data on the new one, where nothing has started yet."""
        if missing := self._old.running() - release.services.keys():
            msg = (
                f"{self._old.label} runs {', '.join(sorted(missing))}, which is not deployed from here: "
                "name its profile with PROFILE=, or stop it first; nothing was changed"
            )
            raise CommandError(msg)
        self._log.info("stopping at a quiet moment", place=self._old.label)
        stopped = self._rest.enter_context(self._old.stopped())
        there = HostContainers(connection, release.id)
        if there.has_data():  # of a release that ran there once
            backups.to_own_folder(there)
        with scratch.folder() as folder:
            place = Files(folder, "moved.tar.gz")
            self._log.info("carrying the data over", to=self._new.name)
            backups.write(self._old.data, place)
            backups.put_in_place(there, place.scratch / place.name)
        stopped.stay()
        self._left = stopped

    def _one_runs(self, problem: str, left: Stopped) -> CommandError:
        """See that one of the two runs, and return what to tell."""
        runs = self._new_runs()
        old, new = self._old.label, self._new.name
        if runs:
            return CommandError(f"{problem}; the strategies run on {new}, and {old} stays stopped")
        if runs is None:
            again = "`make up`" if isinstance(self._old, LocalOrigin) else f"`make deploy HOST={old}`"
            return CommandError(
                f"{problem}; {new} cannot be asked whether the strategies run there, so {old} stays stopped: "
                f"`make status HOST={new}` shows them; if they do not run, {again} starts them again"
            )
        left.again()
        return CommandError(f"{problem}; {old} runs again")

    def _new_runs(self) -> bool | None:
        """Tell whether the new server runs strategies, once no deployment is under way there; None if it cannot be asked."""
        end = time.monotonic() + KNOWN_WITHIN
        while True:
            try:
                with (
                    Connection(self._new) as connection,
                    HostLock(connection, provenance.who(), "seeing how a move has ended", ""),
                ):
                    return bool(_running(connection) - {SUPERVISOR})
            except (CommandError, LockHeldError) as problem:
                if time.monotonic() >= end:
                    return None
                self._log.info("the new server is asked again", reason=str(problem))
                time.sleep(TRY_EVERY)


@contextmanager
def _old(settings: Settings, source: str | None) -> Iterator[Origin]:
    if not source:
        yield LocalOrigin(settings)
        return
    with Connection(config.find(source, settings)) as connection:
        yield HostOrigin(connection)


def _must_be_free(host: Host) -> None:
    with Connection(host) as connection:
        if running := _running(connection):
            msg = f"{host.name} runs {', '.join(sorted(running))} already: nothing was changed"
            raise CommandError(msg)


def _running(connection: Connection) -> frozenset[str]:
    return frozenset(name for name, one in host_state.fetch(connection).containers.items() if one.state == "running")
