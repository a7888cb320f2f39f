"""Kill -9 in the windows of an order and around slots: nothing is lost, nothing is doubled."""

from collections.abc import Iterator

import docker
import pytest
from testcontainers.compose import DockerCompose

from tests.engine.kit import Kit, make_kit, removed_afterwards
from tests.faults.kills import kill_for


@pytest.fixture
def chaos(engine: docker.DockerClient, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kit]:
    """The kit with the strategy that kills itself, its image built."""
    kit = make_kit(tmp_path_factory.mktemp("chaos"), ["chaos"])
    with removed_afterwards(engine, kit.project):
        DockerCompose(kit.folder, services=["chaos"], build=True, wait=False).start()
        DockerCompose(kit.folder).stop()
        yield kit


def test_kills_lose_and_double_nothing(engine: docker.DockerClient, chaos: Kit) -> None:
    """Kills for as long as one from outside takes to come; `make test-faults` goes on for longer, and prints the figures."""
    count = kill_for(engine, chaos, seconds=22, containers=4, seed=7, say=print)
    print(count.report())
    assert sum(count.kills.values()) >= 12
    assert count.without_outcome == []
    assert count.two_outcomes == []
    assert count.doubled_orders == []
    assert count.lost_orders == []
