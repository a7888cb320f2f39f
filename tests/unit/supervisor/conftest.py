"""Fixtures of the supervisor's tests."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.unit.supervisor.world import World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    """A world with the strategy `pulse`, due every minute with a grace of 20 s."""
    world = World(tmp_path)
    world.strategy()
    yield world
    world.restart()


@pytest.fixture
def started(world: World) -> World:
    """The same world, with pulse running and the supervisor watching it since 12:00:30."""
    world.start()
    world.beat()
    world.see()
    return world


@pytest.fixture
def make_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], World]]:
    """Makes worlds, for tests that need several."""
    worlds: list[World] = []

    def make() -> World:
        world = World(tmp_path_factory.mktemp("world"))
        world.strategy()
        worlds.append(world)
        return world

    yield make
    for world in worlds:
        world.restart()
