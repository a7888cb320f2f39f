"""A server that is another kind of machine than the one here: a 32-bit one, whose programs this kernel runs without emulation."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import docker
import pytest

from deploy import processes
from deploy.docker.engine import BUILD_PLATFORM
from deploy.errors import CommandError
from deploy.hosts.facts import read_facts
from deploy.log import Log
from deploy.release import build
from deploy.ssh.connection import Connection, Host
from tests.deploy.shipping.blocks import Blocks, ship
from tests.machine.machine import Machine, running_machine

pytestmark = [pytest.mark.engine, pytest.mark.deploy_long]

PLATFORM = "linux/386"
# What is started by them takes the kernel for a 32-bit one, as on such a machine.
AS_32_BIT = """\
for program in /usr/sbin/dockerd /usr/bin/uname; do
    mv $program $program-64
    printf '#!/bin/sh\\nexec setarch i686 %s "$@"\\n' $program-64 >$program
    chmod 755 $program
done
"""


@pytest.fixture(scope="module")
def machine(engine: docker.DockerClient) -> Iterator[Machine]:
    """A server that says of itself that it is a 32-bit machine."""
    if PLATFORM not in build.offered(processes.output(("docker", "buildx", "inspect"))):
        pytest.skip(f"the builder here does not build for {PLATFORM}")
    with running_machine(engine, "bookworm") as one:
        one.shell(AS_32_BIT)
        one.kill_engine()
        yield one


@pytest.fixture
def connection(machine: Machine) -> Iterator[Connection]:
    """A connection to the server."""
    with Connection(Host(machine.host, machine.ssh_config)) as one:
        yield one


def test_images_are_built_for_the_host_and_arrive(
    machine: Machine,
    connection: Connection,
    blocks: Blocks,
    log: Log,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """What the deploy tells the builder makes an image for that kind of machine, which its engine takes."""
    monkeypatch.setenv(BUILD_PLATFORM, "")
    monkeypatch.delenv(BUILD_PLATFORM)
    build.follow_host(connection.host, read_facts(connection), log)
    (tmp_path / "Dockerfile").write_text("FROM scratch\nCOPY Dockerfile /\n")
    reference = blocks.reference("other")
    subprocess.run(("docker", "build", "--quiet", "--tag", reference, tmp_path), check=True, capture_output=True)
    try:
        (sent,) = ship(connection, [reference], log)
    finally:
        subprocess.run(("docker", "image", "rm", "--force", reference), check=True, capture_output=True)
    form = "{{.Os}}/{{.Architecture}}"
    assert machine.docker("image", "inspect", "--format", form, sent.images[0].tag).strip() == PLATFORM


def test_an_image_for_another_machine_is_refused(connection: Connection, blocks: Blocks, log: Log) -> None:
    """The line says which variable would have it built for that kind."""
    reference = blocks.build("ours", ("ours", 100))
    with pytest.raises(
        CommandError, match=rf"and the host is {PLATFORM}: build it with DOCKER_DEFAULT_PLATFORM={PLATFORM}"
    ):
        ship(connection, [reference], log)
