"""Clocks that are wrong by seconds to years: after the correction everything goes on, and real misses are told.

More histories: `python -m tests.unit.clock_simulation --seeds 100`.
"""

from datetime import timedelta

import pytest

from openbell.runner.loop import Loop
from openbell.supervisor.ingest import recorder
from tests.unit.clock_simulation import simulate


@pytest.mark.parametrize("seed", [1, 2, *(pytest.param(seed, marks=pytest.mark.long) for seed in range(3, 7))])
def test_a_wrong_clock_silences_nothing(seed: int) -> None:
    """Bots go on within a slot, nothing stays wrong, and what the loop misses afterwards is told."""
    result = simulate(seed)
    assert result.problems == [], result
    assert result.slots > 20


def test_the_simulation_notices_slots_of_the_future_that_count(monkeypatch: pytest.MonkeyPatch) -> None:
    """A loop and a supervisor that account for slots to come are found out."""
    monkeypatch.setattr(recorder, "AHEAD", timedelta(days=20_000))
    monkeypatch.setattr(Loop, "_clock_stepped", lambda *_: None)
    assert any(simulate(seed).problems for seed in range(1, 9))
