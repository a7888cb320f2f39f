"""Where a command acts: on this machine, or on a host over one connection. The only place that knows the difference."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from typing import Protocol

from deploy import compose, engine, execute, hosts, readiness, survey
from deploy.compose import Command
from deploy.engine import Service
from deploy.environment import Settings
from deploy.problem import Problem
from deploy.ssh import Connection
from deploy.survey import Facts


class Place(Protocol):
    """A machine whose containers are seen and asked."""

    project: str
    option: str  # what a `make` command needs to act there: empty, or " HOST=vps"
    start: str  # the `make` command that starts what does not run

    @property
    def page(self) -> str:
        """The status page's address for this process."""

    @property
    def engine(self) -> str | None:
        """The engine's address for this process."""

    def services(self) -> tuple[Service, ...]:
        """Return the project's containers; Problem if no engine answers."""

    def run(self, command: Command) -> int:
        """Run a command of Compose, its output where ours goes, and return its exit code."""

    def facts(self) -> Facts:
        """Return what the machine is and has."""


class Here:
    """This machine."""

    option, start = "", "make up"

    def __init__(self, settings: Settings) -> None:
        self.project, self.page = settings.project, settings.page

    @property
    def engine(self) -> str | None:
        """As Docker's own client finds it."""
        return engine.address()

    def services(self) -> tuple[Service, ...]:
        """Ask the engine."""
        return engine.services(self.project)

    def run(self, command: Command) -> int:
        """Run it in the project's folder."""
        return execute.run(command)

    def facts(self) -> Facts:
        """Look as at any host."""
        return survey.parse(execute.output(("sh", str(survey.SCRIPT))))


class There:
    """A host. Ports and the engine's socket are led through the connection when they are asked for."""

    def __init__(self, connection: Connection) -> None:
        self.connection, self.host = connection, connection.host
        self.project = self.host.project
        self.option, self.start = f" HOST={self.host.name}", f"make deploy HOST={self.host.name}"

    @cached_property
    def page(self) -> str:
        """The page's address at this end of the tunnel."""
        return f"http://127.0.0.1:{self.connection.forward(self.host.port, self.host.page_address)}"

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
        """Ask the engine there."""
        try:
            return engine.services(self.project, self.engine)
        except Problem as problem:
            self._explain(str(problem))
            raise

    def run(self, command: Command) -> int:
        """Run it there; it ends with this process or the connection."""
        return self.connection.foreground(compose.elsewhere(command, self.project))

    def facts(self) -> Facts:
        """Look over the connection."""
        return survey.look(self.connection)

    def _explain(self, said: str) -> None:
        """Raise the Problem that the host has, which says more than what its engine said."""
        msg = readiness.unready(self.host, self.facts()) or f"{self.host.name}: no Docker engine answers there: {said}"
        raise Problem(msg)


@contextmanager
def place(host: str | None, settings: Settings) -> Iterator[Place]:
    """Give the place that HOST names; without one it is this machine."""
    if not host:
        yield Here(settings)
        return
    with Connection(hosts.find(host, settings)) as connection:
        yield There(connection)
