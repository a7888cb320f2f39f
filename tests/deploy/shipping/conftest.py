"""Fixtures of the tests of shipping."""

import contextlib
from collections.abc import Iterator

import docker
import pytest

from deploy.log import Log, log_to_stdout
from deploy.ssh.connection import Connection, Host
from tests.deploy.shipping.blocks import Blocks, blocks_of, file_in, ship
from tests.machine.machine import Machine, Store, Suite, running_machine

SERVERS: dict[str, tuple[Suite, Store]] = {
    "20.10": ("bookworm", "classic"),
    "26.1": ("trixie", "classic"),
    "26.1-containerd": ("trixie", "containerd"),
}
# `make test` takes the first one only.
EACH = [
    name if number == 0 else pytest.param(name, marks=pytest.mark.deploy_long) for number, name in enumerate(SERVERS)
]


@pytest.fixture(scope="module")
def servers(engine: docker.DockerClient) -> Iterator[dict[str, Machine]]:
    """The stand-in servers that were started so far."""
    with contextlib.ExitStack() as stack:
        yield Started(engine, stack)


class Started(dict[str, Machine]):
    """Servers by the names of SERVERS, each started when it is first asked for."""

    def __init__(self, engine: docker.DockerClient, stack: contextlib.ExitStack) -> None:
        super().__init__()
        self._engine, self._stack = engine, stack

    def __missing__(self, name: str) -> Machine:
        """Start a server."""
        suite, store = SERVERS[name]
        self[name] = self._stack.enter_context(running_machine(self._engine, suite, store=store))
        return self[name]


@pytest.fixture(params=EACH)
def server(request: pytest.FixtureRequest, servers: dict[str, Machine]) -> Machine:
    """A server with each kind of engine."""
    return servers[request.param]


@pytest.fixture
def connection(server: Machine) -> Iterator[Connection]:
    """A connection to the server."""
    with Connection(Host(server.host, server.ssh_config)) as one:
        yield one


@pytest.fixture
def blocks(engine: docker.DockerClient) -> Iterator[Blocks]:
    """Images of the test's own."""
    with blocks_of(engine) as one:
        yield one


@pytest.fixture(scope="session")
def log() -> Log:
    """A log for people."""
    return log_to_stdout("text")


@pytest.fixture
def running(server: Machine, connection: Connection, blocks: Blocks, log: Log) -> Iterator[str]:
    """A container of an image that was shipped before, which nothing may touch; its image's tag."""
    (sent,) = ship(connection, [blocks.build("running", ("runs", 1000))], log)
    server.docker("create", "--name", "runs", sent.images[0].tag, "true")
    before = server.docker("inspect", "--format", "{{.Id}} {{.Image}} {{.State.Status}}", "runs")
    try:
        yield sent.images[0].tag
        assert server.docker("inspect", "--format", "{{.Id}} {{.Image}} {{.State.Status}}", "runs") == before
        assert file_in(server, sent.images[0].tag, "/running-file-0") == blocks.content("runs", 1000)
    finally:
        server.docker("rm", "runs")
