"""Fixtures of the tests that deploy to a stand-in server."""

from collections.abc import Iterator
from datetime import UTC, datetime

import docker
import pytest

from tests.deploy.site import Site, first_release


@pytest.fixture(scope="module")
def deployed(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A server with its first release: a bot that is due every five seconds, one that is due once a day, the supervisor."""
    with first_release(engine, tmp_path_factory.mktemp("site")) as one:
        yield one


@pytest.fixture(scope="session")
def shared(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """The same for the modules that only ask it, or put back what they change: one server for all of them."""
    with first_release(engine, tmp_path_factory.mktemp("site")) as one:
        yield one


@pytest.fixture
def began(deployed: Site) -> None:
    """From here on slots count: each test of interruptions is judged by its own."""
    (deployed.kit.folder / "began").write_text(
        datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    )
