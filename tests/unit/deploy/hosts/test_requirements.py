"""Whether a host can run what is deployed to it."""

from dataclasses import replace

import pytest

from deploy.hosts.facts import Engine, Facts
from deploy.hosts.requirements import SPARE, advice, megabytes, older, unready
from deploy.ssh.host import Host

HOST = Host("vps", config=None)
READY = Facts(
    python="3.9.0",
    user="me",
    client=True,
    server=True,
    compose="2.26.1-4",
    engine=Engine("20.10.24+dfsg1", live_restore=True, running=3, swarm=False),
    disk_free=SPARE,
)
DENIED = "Got permission denied while trying to connect to the Docker daemon socket"


def test_an_engine_without_live_restore_is_advised_of_it() -> None:
    """Containers stay stopped when such an engine was killed; a member of a swarm cannot have it on."""
    engine = Engine("20.10.24", live_restore=False, running=0, swarm=False)
    assert advice(HOST, READY) is None
    assert "`make provision HOST=vps` turns it on" in (advice(HOST, replace(READY, engine=engine)) or "")
    assert advice(HOST, replace(READY, engine=replace(engine, swarm=True))) is None


def test_a_host_that_has_everything_is_ready() -> None:
    """The oldest versions and the smallest disk are enough."""
    assert unready(HOST, READY) is None


@pytest.mark.parametrize(
    "facts,expected",
    [
        (Facts(user="me"), "Docker is not installed there: `make provision HOST=vps` sets it up"),
        (
            replace(READY, engine=None, refusal="Cannot connect to the Docker daemon"),
            "does not answer (docker says: Cannot connect to the Docker daemon): start it, with systemd",
        ),
        (
            replace(READY, engine=None, refusal=DENIED),
            "me may not use Docker there: as root there run `usermod -aG docker me`",
        ),
        (
            replace(READY, refusal=DENIED, sudo="free"),
            "me may not use Docker there: `make provision HOST=vps` adds me to the group docker",
        ),
        (
            replace(READY, engine=None, refusal=DENIED, in_docker_group=True),
            "me is in the group docker there, but was not at the login",
        ),
        (
            replace(READY, engine=Engine("19.03.8", live_restore=False, running=0, swarm=False)),
            "the Docker engine there is 19.03.8; openbell needs 20.10 or newer",
        ),
        (replace(READY, compose=""), "Docker Compose v2 is not installed there: `make provision HOST=vps` sets it up"),
        (replace(READY, compose="2.5.0"), "Docker Compose there is 2.5.0; openbell needs 2.20 or newer"),
        (replace(READY, tmp=False), "/tmp cannot be written there (read-only, or full): Docker needs it"),  # noqa: S108 - a message
        (replace(READY, python=""), "Python 3 is not installed there; openbell needs 3.9 or newer: `make provision"),
        (replace(READY, python="3.8.10"), "Python there is 3.8.10; openbell needs 3.9 or newer: `make provision"),
        (replace(READY, podman=True, engine=None), "`docker` there is Podman under Docker's name (podman-docker)"),
        (
            replace(READY, disk_free=SPARE - 1),
            "the disk is nearly full: 255 MB free where Docker keeps its files, 256 MB",
        ),
    ],
)
def test_what_is_missing_is_one_line_with_the_next_step(facts: Facts, expected: str) -> None:
    """It begins with the host."""
    problem = unready(HOST, facts)
    assert problem
    assert problem.startswith("vps: ")
    assert expected in problem
    assert "\n" not in problem


def test_what_is_to_arrive_needs_room_too() -> None:
    """A disk that is large enough for today is not for a release."""
    assert unready(HOST, READY, needed=1) is not None
    assert unready(HOST, replace(READY, disk_free=SPARE + 10), needed=10) is None


@pytest.mark.parametrize(
    "version,least,expected",
    [
        ("20.10.24+dfsg1", "20.10", False),
        ("20.9", "20.10", True),
        ("2.26.1-4", "2.20", False),
        ("v2.3", "2.20", True),
        ("26", "20.10", False),
        ("dev", "20.10", False),
    ],
)
def test_versions_are_compared_by_number(version: str, least: str, expected: bool) -> None:
    """A distribution's addition does not count; what is no version is not refused."""
    assert older(version, least) is expected


def test_sizes_are_for_people() -> None:
    """Megabytes, and gigabytes from one on."""
    assert (megabytes(5 * 2**20), megabytes(3 * 2**29)) == ("5 MB", "1.5 GB")
