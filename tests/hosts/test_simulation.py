"""Histories of hosts, a database and a broker, full of bad luck; `make test-hosts` runs thousands."""

import os
from collections.abc import Iterator

import pytest

from openbell.postgres.lease import LONGEST_TAKEOVER
from tests.hosts.simulated_database import Rules
from tests.hosts.simulation import Simulation

SEEDS = 150  # histories in one test
HISTORIES = int(os.environ.get("OPENBELL_TEST_HISTORIES", "0")) or SEEDS
FIRST = int(os.environ.get("SEED", "1"))


def problems(rules: Rules, first: int = FIRST) -> Iterator[str]:
    """Yield what goes wrong in some histories."""
    for seed in range(first, first + SEEDS):
        yield from (f"seed {seed}: {problem}" for problem in Simulation(seed, rules=rules).run().problems)


@pytest.mark.parametrize("first", range(FIRST, FIRST + HISTORIES, SEEDS))
def test_no_history_loses_or_doubles_anything(first: int) -> None:
    """One outcome a slot, one order a slot, no effect of an older epoch, and each takeover within its bound."""
    assert list(problems(Rules(), first)) == []


@pytest.mark.parametrize(
    "rules",
    [Rules(is_guarded=False), Rules(in_flight=0.0), Rules(send_within=100.0), Rules(minds_history=False)],
    ids=["the guard", "the wait for orders on their way", "the limit from the last check to the order", "the history"],
)
def test_each_rule_is_needed(rules: Rules) -> None:
    """Without it some histories go wrong: the simulation would notice."""
    assert any("order" in one for one in problems(rules))


def test_a_seed_is_one_history() -> None:
    """What has gone wrong can be looked at again."""
    first, again = Simulation(7).run(), Simulation(7).run()
    assert (first.orders, first.database) == (again.orders, again.database)
    assert first.database.epoch > 1
    assert first.database.longest_takeover > LONGEST_TAKEOVER / 2
