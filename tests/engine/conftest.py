"""Fixtures of the tests that run real containers on a real engine."""

import os
from collections.abc import Iterator

import docker
import pytest
from testcontainers.compose import DockerCompose

from tests.engine.kit import Kit, make_kit, removed_afterwards

# The reaper's image cannot be pulled where there is no registry; these tests remove what they make themselves.
os.environ["TESTCONTAINERS_RYUK_DISABLED"] = "true"

BROKEN = ["bad_import", "bad_manifest", "no_code", "no_run"]
WORKING = ["slow", "supervisor", "ticker"]


@pytest.fixture(scope="session")
def kit(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """The kit with the fixtures' strategies, built and started: those that work are healthy."""
    # What is started here waits for the engine's first check.
    kit = make_kit(tmp_path_factory.mktemp("kit"), ["slow", "ticker", *BROKEN], OPENBELL_HEALTH_INTERVAL="5s")
    with removed_afterwards(engine, kit.project):
        DockerCompose(kit.folder, services=WORKING, build=True, wait=True).start()
        DockerCompose(kit.folder, services=BROKEN, build=True, wait=False).start()
        yield kit
