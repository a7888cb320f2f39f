"""Where a command acts: on this machine, or on a host over one connection. The only place that knows the difference."""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from shutil import which
from typing import Protocol

from deploy import processes, supervisor_client
from deploy.docker import compose, engine
from deploy.docker.compose import Logs, ServiceCommand
from deploy.docker.engine import Service
from deploy.errors import CommandError
from deploy.hosts import config, facts, requirements
from deploy.hosts.facts import Facts, read_facts
from deploy.local.process_target import ProcessTarget
from deploy.local.run import data_folder
from deploy.settings import Settings, values
from deploy.ssh import program
from deploy.ssh.connection import Connection
from deploy.supervisor_client import BotStatus


class Target(Protocol):
    """Where services run and are asked: in containers here or on a host, or as plain processes here."""

    project: str
    option: str  # what a `make` command needs to act there: empty, or " HOST=vps"
    start: str  # the `make` command that starts what does not run

    @property
    def engine(self) -> str | None:
        """The engine's address for this process."""

    def services(self) -> tuple[Service, ...]:
        """Return the project's services; CommandError if no engine answers."""

    def bots(self, patience: float) -> tuple[BotStatus, ...] | None:
        """Return what the supervisor knows about the bots, or None if it gives no answer within `patience` seconds."""

    def run(self, command: ServiceCommand | Logs) -> int:
        """Run a command, its output where ours goes, and return its exit code."""

    def facts(self) -> Facts:
        """Return what the machine is and has."""


class LocalTarget:
    """This machine's containers."""

    option, start = "", "make up"

    def __init__(self, settings: Settings) -> None:
        self.project, self.page = settings.project, settings.page
        self._healthy: set[str] = set()

    @property
    def engine(self) -> str | None:
        """As Docker's own client finds it."""
        return engine.address()

    def services(self) -> tuple[Service, ...]:
        """Ask the engine."""
        return engine.services(self.project, self._healthy)

    def bots(self, patience: float) -> tuple[BotStatus, ...] | None:
        """Ask the page."""
        return supervisor_client.fetch(self.page, patience, supervisor_client.reading_token())

    def run(self, command: ServiceCommand | Logs) -> int:
        """Run it in the project's folder."""
        return processes.run(command.command)

    def facts(self) -> Facts:
        """Look as at any host."""
        return facts.read_own()


class RemoteTarget:
    """A host. Ports and the engine's socket are led through the connection when they are asked for."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.host = connection, connection.host
        self.project = self.host.project
        self.option, self.start = f" HOST={self.host.name}", f"make deploy HOST={self.host.name}"

    @cached_property
    def engine(self) -> str:
        """The engine's socket at this end of the tunnel."""
        asked = self.connection.run(
            ("docker", "context", "inspect", "--format", "{{.Endpoints.docker.Host}}"), timeout=30
        )
        if asked.code or not asked.text.startswith("unix://"):
            self._explain(asked.text or asked.stderr.strip())
        return f"unix://{self.connection.forward_socket(asked.text.removeprefix('unix://'))}"

    def services(self) -> tuple[Service, ...]:
        """Ask the engine there, with a command: not every server forwards sockets."""
        try:
            answer = program.ask(self.connection, "containers", self.project, doing="asking Docker")
        except CommandError as problem:
            if not self.connection.alive:
                raise
            self._explain(str(problem))
            raise
        found = [engine.service(one["attributes"], engine.in_words(one["last_line"])) for one in json.loads(answer)]
        return tuple(sorted(found, key=lambda one: one.name))

    def bots(self, patience: float) -> tuple[BotStatus, ...] | None:
        """Ask the page there, with a command."""
        address = f"http://{bracketed(self.host.page_address)}:{self.host.port}{supervisor_client.STATUS}"
        words = ("page", address, str(supervisor_client.TIMEOUT), self.project)
        return supervisor_client.patiently(patience, lambda: self._page(words))

    def _page(self, words: tuple[str, ...]) -> str | None:
        answer = program.attempt(self.connection, *words, timeout=30)
        return answer.out if answer.code == 0 else None

    def run(self, command: ServiceCommand | Logs) -> int:
        """Run it there; it ends with this process or the connection."""
        return self.connection.foreground(compose.elsewhere(command.command, self.project))

    def facts(self) -> Facts:
        """Look over the connection."""
        return read_facts(self.connection)

    def _explain(self, said: str) -> None:
        """Raise the CommandError that the host has, which says more than what its engine said."""
        msg = (
            requirements.unready(self.host, self.facts()) or f"{self.host.name}: no Docker engine answers there: {said}"
        )
        raise CommandError(msg)


def bracketed(address: str) -> str:
    """Return an address as it stands in a URL."""
    return f"[{address}]" if ":" in address else address


@contextmanager
def place(host: str | None, settings: Settings) -> Iterator[Target]:
    """Give the place that HOST names; without one it is this machine, with what really runs here."""
    if not host:
        yield here(settings, values(Path(".env"), os.environ))
        return
    with Connection(config.find(host, settings)) as connection:
        yield RemoteTarget(connection)


def here(settings: Settings, given: Mapping[str, str]) -> LocalTarget | ProcessTarget:
    """Return what runs on this machine: processes if their service does, or where there is no Docker to ask."""
    plain = ProcessTarget(settings, data_folder(settings.project, given))
    if plain.runs or given.get("ENGINE") == "none" or which("docker") is None:
        return plain
    return LocalTarget(settings)
