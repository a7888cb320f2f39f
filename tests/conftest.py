"""What the tests that need an engine share."""

from collections.abc import Iterator

import docker
import pytest

WITH_ENGINE = ("tests/engine/", "tests/deploy/")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark these folders' tests, so that they can be left out where there is no engine."""
    for item in items:
        if any(folder in item.path.as_posix() for folder in WITH_ENGINE):
            item.add_marker(pytest.mark.engine)


@pytest.fixture(scope="session")
def engine() -> Iterator[docker.DockerClient]:
    """The engine."""
    client = docker.from_env()
    yield client
    client.close()
