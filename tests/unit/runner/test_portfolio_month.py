"""Days of the portfolio on the fake clock: real manifests, real strategies, the real loop. A whole month: `make test-month`."""

from datetime import timedelta

import pytest

from openbell.manifest import Manifest
from openbell.runner.loop import Loop
from tests.unit.runner.portfolio_month import DAY, bad_luck, manifests, one_life

BY_NAME = {manifest.name: manifest for manifest in manifests()}
FOUR_HOURS = timedelta(hours=4)


def length(manifest: Manifest) -> timedelta:
    """Return how long a strategy is simulated: a few hundred slots."""
    every = manifest.bots[0].schedule.every or DAY
    return 2 * DAY if every >= FOUR_HOURS else DAY if every >= timedelta(hours=1) else DAY / 3


@pytest.mark.parametrize("name", BY_NAME)
def test_bad_luck(name: str) -> None:
    """Something happens each hour: every slot has one outcome all the same, and no order is sent twice."""
    result = bad_luck(BY_NAME[name], 1, length(BY_NAME[name]), between=3600)
    assert result.problems == [], result
    assert result.outcomes["succeeded"] > 0
    assert result.boots > 2, "a simulation in which nothing happens proves nothing"


def test_the_loop_keeps_what_it_needs() -> None:
    """Days later it has no more in memory than on its second day."""
    result, memory = one_life(BY_NAME["leverage_composite"], 1, 4 * DAY)
    assert result.problems == [], result
    assert result.orders > 0
    assert memory.is_flat, memory


def test_a_loop_that_hoards_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """What stays with every turn shows."""
    hoard: list[bytes] = []
    step = Loop.step

    def hoarding(loop: Loop) -> float:
        hoard.append(bytes(20))
        loop.__dict__["hoard"] = hoard
        return step(loop)

    monkeypatch.setattr(Loop, "step", hoarding)
    _, memory = one_life(BY_NAME["nupl_cycle_filter"], 1, 3 * DAY)
    assert not memory.is_flat
