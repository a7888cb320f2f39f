"""Hosts that nothing can be deployed to: one line says what they lack and what to do, and nothing is changed there."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import docker
import pytest

from deploy import processes
from deploy.release.build import offered
from tests.deploy.site import Site, site
from tests.machine.machine import Machine, Suite, running_machine

pytestmark = pytest.mark.deploy_long

OLD = '#!/bin/sh\ncase "$1" in info) echo "19.03.8|false|0|inactive|/var/lib/docker";; *) exec /usr/bin/docker "$@";; esac\n'
OLD_COMPOSE = '#!/bin/sh\ncase "$1" in compose) echo "2.5.0";; *) exec /usr/bin/docker "$@";; esac\n'
PLUGIN = "/usr/libexec/docker/cli-plugins/docker-compose"


@contextmanager
def site_on(engine: docker.DockerClient, machine: Machine, folder: Path) -> Iterator[Site]:
    """Give a project that would be deployed to the machine."""
    with site(engine, machine, folder, ["fives"]) as one:
        yield one


@pytest.fixture(scope="module", params=["bookworm", "trixie"])
def server(
    engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Iterator[Site]:
    """A server that has everything, on a disk of its own; each test takes something from it, and gives it back."""
    with (
        running_machine(engine, request.param, disk_megabytes=1500) as machine,
        site_on(engine, machine, tmp_path_factory.mktemp("site")) as one,
    ):
        yield one


def refused(one: Site, *words: str) -> str:
    """Return the last line of a command that must fail, without a trace of ours on the server."""
    code, said = one.run(*(words or ("deploy",)))
    assert code == 1, said
    assert "building the images" not in said, "a host is looked at before anything is built"
    assert "Traceback" not in said
    assert one.machine.shell("ls -A /root/.openbell 2>/dev/null || true") == ""
    return said.splitlines()[-1]


@contextmanager
def docker_instead(machine: Machine, script: str) -> Iterator[None]:
    """Put another `docker` in front of the real one."""
    machine.shell(f"cat >/usr/local/bin/docker <<'END'\n{script}END\nchmod 755 /usr/local/bin/docker")
    try:
        yield
    finally:
        machine.shell("rm /usr/local/bin/docker")


def test_a_host_without_docker(engine: docker.DockerClient, tmp_path: Path) -> None:
    """It is one command away from being ready; every command says so."""
    with running_machine(engine, "bookworm-bare") as machine, site_on(engine, machine, tmp_path) as one:
        expected = "openbell: vps: Docker is not installed there: `make provision HOST=vps` sets it up"
        assert refused(one) == expected
        assert refused(one, "rollback") == expected


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_a_host_whose_engine_does_not_run(engine: docker.DockerClient, tmp_path: Path, suite: Suite) -> None:
    """Docker's own words are in the line."""
    with running_machine(engine, suite, missing=["engine"]) as machine, site_on(engine, machine, tmp_path) as one:
        said = refused(one)
    assert said.startswith("openbell: vps: the Docker engine there does not answer (docker says: ")
    assert "Cannot connect to the Docker daemon" in said
    assert said.endswith("`make provision HOST=vps` does so, too")


def test_a_host_with_an_old_engine(server: Site) -> None:
    """It is not upgraded without being asked for."""
    with docker_instead(server.machine, OLD):
        said = refused(server)
    assert said.startswith(
        "openbell: vps: the Docker engine there is 19.03.8; openbell needs 20.10 or newer: upgrade it"
    )


def test_a_host_without_compose(server: Site) -> None:
    """The engine alone is not enough."""
    server.machine.shell(f"mv {PLUGIN} {PLUGIN}.kept")
    try:
        said = refused(server)
    finally:
        server.machine.shell(f"mv {PLUGIN}.kept {PLUGIN}")
    assert said == "openbell: vps: Docker Compose v2 is not installed there: `make provision HOST=vps` sets it up"


def test_a_host_with_an_old_compose(server: Site) -> None:
    """It would not know the project's files."""
    with docker_instead(server.machine, OLD_COMPOSE):
        said = refused(server)
    assert said.startswith("openbell: vps: Docker Compose there is 2.5.0; openbell needs 2.20 or newer")


def test_a_user_who_may_not_use_docker(server: Site) -> None:
    """Who may change that, and how."""
    machine = server.machine
    config = machine.ssh_config.read_text()
    machine.shell("useradd -m -s /bin/sh me && cp -r /root/.ssh /home/me/.ssh && chown -R me /home/me/.ssh")
    machine.ssh_config.write_text(config.replace("User root", "User me"))
    try:
        said = refused(server)
    finally:
        machine.ssh_config.write_text(config)
    assert (
        said
        == "openbell: vps: me may not use Docker there: as root there run `usermod -aG docker me`, or use HOST=root@..."
    )


def test_a_host_of_another_kind(server: Site) -> None:
    """Images for it cannot be built here: that is said before the long build."""
    if "linux/arm64" in offered(processes.output(("docker", "buildx", "inspect"))):
        pytest.skip("the builder here builds for arm64, too")
    other = '#!/bin/sh\nif [ "$1" = -m ]; then echo aarch64; else exec /usr/bin/uname "$@"; fi\n'
    server.machine.shell(f"cat >/usr/local/bin/uname <<'END'\n{other}END\nchmod 755 /usr/local/bin/uname")
    try:
        said = refused(server)
    finally:
        server.machine.shell("rm /usr/local/bin/uname")
    assert "vps is linux/arm64, and the engine here builds for linux/" in said
    assert "deploy from a machine of that kind, or let this one emulate it" in said


def test_a_disk_that_is_nearly_full(server: Site) -> None:
    """Before anything is shipped; with the number, and where to look."""
    server.machine.fill_disk(leave_megabytes=100)
    try:
        said = refused(server)
    finally:
        server.machine.free_disk()
    assert said.startswith("openbell: vps: the disk is nearly full: ")
    assert "MB free where Docker keeps its files, 256 MB needed: see `make stats HOST=vps`" in said


def test_a_host_that_does_not_know_the_user(server: Site) -> None:
    """The same line as for every command, and no password is asked for."""
    machine = server.machine
    machine.shell("mv /root/.ssh/authorized_keys /root/.ssh/others")
    try:
        assert "openbell: vps: the host does not accept your key" in refused(server)
    finally:
        machine.shell("mv /root/.ssh/others /root/.ssh/authorized_keys")


def test_a_host_that_nobody_knows(server: Site) -> None:
    """An unknown host key ends every command, whatever it wants."""
    keys = server.machine.keys
    before = keys.known_hosts.read_text()
    keys.forget_host()
    try:
        assert "the host's key is not known here, and is never accepted unseen" in refused(server)
        assert keys.known_hosts.read_text() == ""
    finally:
        keys.known_hosts.write_text(before)
