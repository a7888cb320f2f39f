"""A host of another kind of machine: images are built for it, or nothing is built."""

import os
from collections.abc import Sequence

import pytest

from deploy import processes
from deploy.docker.engine import BUILD_PLATFORM
from deploy.errors import CommandError
from deploy.hosts.facts import Facts
from deploy.log import log_to_stdout
from deploy.release import build
from deploy.ssh.host import Host

INSPECTED = """\
Name:          default
Driver:        docker

Nodes:
Name:             default
Platforms:        linux/amd64, linux/amd64/v2, linux/386{more}
"""


@pytest.fixture(autouse=True)
def _clean(monkeypatch: pytest.MonkeyPatch) -> None:
    """The variable is put back after each test, also where it was not set."""
    monkeypatch.setenv(BUILD_PLATFORM, "")
    del os.environ[BUILD_PLATFORM]


def builder(monkeypatch: pytest.MonkeyPatch, more: str = "") -> None:
    """Let the engine here be one for amd64, which can emulate these as well."""

    def output(command: Sequence[str]) -> str:
        return "linux/amd64\n" if command[1] == "version" else INSPECTED.format(more=more)

    monkeypatch.setattr(processes, "output", output)


def follow(machine: str) -> str | None:
    """Return for which platform images are built for such a machine, if it is not the engine's own."""
    build.follow_host(Host("vps"), Facts(machine=machine), log_to_stdout("text"))
    return os.environ.get(BUILD_PLATFORM)


@pytest.mark.parametrize(
    "machine,more,platform",
    [
        ("x86_64", "", None),
        ("", "", None),
        ("aarch64", ", linux/arm64", "linux/arm64"),
        ("aarch64", ", linux/arm64*, linux/arm/v7", "linux/arm64"),
        ("armv7l", ", linux/arm64, linux/arm/v7, linux/arm/v6", "linux/arm"),
    ],
)
def test_images_are_built_for_the_host(
    monkeypatch: pytest.MonkeyPatch, machine: str, more: str, platform: str | None
) -> None:
    """Nothing is said to the builder where its own kind is wanted."""
    builder(monkeypatch, more)
    assert follow(machine) == platform


def test_what_cannot_be_built_is_said_before_anything(monkeypatch: pytest.MonkeyPatch) -> None:
    """With both kinds, and what to do."""
    builder(monkeypatch)
    with pytest.raises(
        CommandError, match=r"vps is linux/arm64, and the engine here builds for linux/amd64 only.*qemu"
    ):
        follow("aarch64")


def test_what_a_person_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    """A builder that the variable names is used as it is."""
    builder(monkeypatch)
    monkeypatch.setenv(BUILD_PLATFORM, "linux/arm64")
    assert follow("aarch64") == "linux/arm64"
