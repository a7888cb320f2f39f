"""Fixtures of the runner's tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.runner.fakes import FIVE_MINUTES, NewRig, Rig, manifest_of


@pytest.fixture
def rig(tmp_path: Path) -> Iterator[NewRig]:
    """Give a function that makes a rig of some bots (TOML); by default of one that is due every five minutes."""
    made: list[Rig] = []

    def make(bots: str = FIVE_MINUTES, *, defaults: str = "", top: str = "") -> Rig:
        table = f"[defaults]\n{defaults}\n" if defaults else ""
        made.append(Rig(tmp_path, manifest_of(tmp_path, table + bots, top=top)))
        return made[-1]

    yield make
    for one in made:
        one.close()
