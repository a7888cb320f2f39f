"""Weeks of trading through kills and lost answers: each order once, each exit sent, the books as the venue's.

A whole year: `make test-orders`.
"""

from datetime import timedelta

import pytest

from openbell.ledger import Ledger
from openbell.strategy.order_path import OrderPath
from tests.unit.trading.simulation import simulate
from tests.venue_model import ALL_RULES, FORGETS, VenueRules


@pytest.mark.parametrize("rules", ALL_RULES, ids=lambda rules: rules.name)
def test_trading_through_bad_luck(rules: VenueRules) -> None:
    """Half of all attempts are killed somewhere: nothing is doubled, nothing differs, every exit is sent."""
    outcome = simulate(1, rules, timedelta(days=6))
    assert outcome.problems == [], outcome
    assert (outcome.doubled, outcome.differing, outcome.exits_refused) == (0, 0, 0)
    # A simulation in which nothing happens proves nothing.
    assert min(outcome.orders, outcome.kills, outcome.restarts) > 10
    assert min(outcome.turned_away, outcome.silences) > 2
    assert (outcome.adopted > 0) is (rules is FORGETS)


@pytest.mark.parametrize("owner, method, broken, problem", [
    pytest.param(OrderPath, "_known", lambda *_: None, "was sent twice", id="what was sent before is not looked for"),
    pytest.param(Ledger, "_add_to_holdings", lambda *_: None, "the ledger says", id="fills are not counted"),
])  # fmt: skip
def test_the_simulation_sees(
    monkeypatch: pytest.MonkeyPatch, owner: type, method: str, broken: object, problem: str
) -> None:
    """A path that does not look, and a ledger that does not count, are found."""
    monkeypatch.setattr(owner, method, broken)
    outcome = simulate(1, FORGETS if owner is OrderPath else ALL_RULES[0], timedelta(days=5))
    assert any(problem in one for one in outcome.problems)
