"""What `make up` finds out ahead, so that nothing is started to see what is there already."""

from pathlib import Path
from typing import Any

import pytest

from deploy.docker import configuration, installed
from deploy.errors import CommandError

READ: dict[str, object] = {"services": {}}
TOLD = {"DockerRootDir": "/var/lib/docker", "OSType": "linux", "Architecture": "aarch64"}
FOUND = installed.Found(Path("/var/lib/docker"), "linux/arm64", READ)


def missing() -> Any:
    """Nothing answers."""
    msg = "docker is not installed"
    raise CommandError(msg)


def broken() -> Any:
    """Docker's library fails in a way of its own."""
    raise AttributeError


@pytest.mark.parametrize(
    "told,read,found",
    [
        (lambda: TOLD, lambda: READ, FOUND),
        (lambda: None, lambda: READ, None),  # no base image, or no buildx
        (missing, lambda: READ, None),  # no engine
        (broken, lambda: READ, None),  # a context that is gone
        (lambda: TOLD, missing, None),  # no Compose, or one that is too old
    ],
)
def test_all_is_here_or_something_is_missing(
    told: Any, read: Any, found: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever is missing is for scripts/docker-ready to see to; no error is shown before that."""
    monkeypatch.setattr(installed, "engine_with_base_image", told)
    monkeypatch.setattr(configuration, "read", read)
    assert installed.EarlyCheck().answer() == found


def test_the_base_image_is_the_one_of_the_dockerfile() -> None:
    """With its tag; a stage that another one begins with is none."""
    text = "ARG X=1\nFROM python:3.13-slim-trixie AS base\nFROM base AS builder\n"
    assert installed.base_image(text) == "python:3.13-slim-trixie"
    assert installed.base_image(installed.DOCKERFILE.read_text()).startswith("python:3")


def test_without_buildx_nothing_is_asked(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The engine is asked by docker-ready then, which installs it."""
    monkeypatch.setattr(installed, "PLUGINS", (tmp_path,))
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    assert installed.engine_with_base_image() is None
