"""The real loop through weeks of bad luck: each slot one outcome, each order once, whatever was killed, cut or set back.

A whole year: `python -m tests.unit.runner.simulation --year --seed 1`.
"""

from datetime import timedelta

import pytest

from openbell.journal import Journal
from openbell.ledger import Ledger
from tests.unit.runner.simulated import CountingBroker
from tests.unit.runner.simulation import simulate


@pytest.mark.parametrize("seed, days", [(1, 1), *(pytest.param(seed, 5, marks=pytest.mark.long) for seed in (1, 2))])
def test_ordinary_bad_luck(seed: int, days: int) -> None:
    """Something happens every few hours for days: nothing is lost, nothing is doubled."""
    result = simulate(seed, timedelta(days=days))
    assert result.problems == [], result


@pytest.mark.parametrize("seed, days", [(1, 1), *(pytest.param(seed, 5, marks=pytest.mark.long) for seed in (3, 4))])
def test_every_kind_of_bad_luck(seed: int, days: int) -> None:
    """Something happens twice an hour, a kill every other time: nothing is lost, nothing is doubled."""
    result = simulate(seed, timedelta(days=days), between=1500)
    assert result.problems == [], result
    # A simulation in which nothing happens proves nothing.
    assert {"succeeded", "failed", "interrupted", "timed_out", "missed (late)", "skipped (overlap)"} <= set(
        result.outcomes
    )
    assert {"crash", "orphans", "power cut", "files cut short", "stopped", "step back", "trouble"} <= set(result.events)


@pytest.mark.parametrize(
    "owner, method, broken, problem",
    [
        pytest.param(CountingBroker, "find", lambda *_: None, "an order sent 2 times", id="the broker is not asked"),
        pytest.param(Ledger, "is_completed", lambda *_: False, "remembers", id="completed runs are repeated"),
        pytest.param(Journal, "sync", lambda *_: None, "a slot without an outcome", id="unsafe lines are relied on"),
        pytest.param(Ledger, "claim", lambda _, claims: list(claims), "a run without a claim", id="nothing is claimed"),
    ],
)
def test_the_checks_notice(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, broken: object, problem: str
) -> None:
    """A runner without one of its safeguards is found out."""
    monkeypatch.setattr(owner, method, broken)
    # Not every history has the accident that it takes, but the first one has it for each of these.
    found = (line for seed in range(300, 308) for line in simulate(seed, timedelta(hours=12), between=1500).problems)
    assert any(problem in line for line in found)
