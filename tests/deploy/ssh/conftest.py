"""A server with sshd and nothing else, and connections to it."""

from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deploy.ssh.connection import Connection, Host
from tests.machine.machine import Machine, running_machine


@pytest.fixture(scope="package")
def machine(engine: docker.DockerClient) -> Iterator[Machine]:
    """A server with sshd and nothing else."""
    with running_machine(engine, "bookworm-bare") as one:
        yield one


@pytest.fixture
def host(machine: Machine) -> Host:
    """The server as a user names it."""
    return Host(machine.host, config=machine.ssh_config)


@pytest.fixture
def connection(host: Host) -> Iterator[Connection]:
    """A connection that is open."""
    with Connection(host) as one:
        yield one


def config(machine: Machine, folder: Path, **options: str) -> Path:
    """Return a copy of the server's ssh config, with other options, which come first and so count."""
    file = folder / "config"
    lines = "".join(f"    {key} {value}\n" for key, value in options.items())
    file.write_text(f"Host {machine.host}\n{lines}\n{machine.ssh_config.read_text()}")
    return file
