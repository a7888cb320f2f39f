"""A kill between every two statements of the order path, and two attempts alive at once: one order or "uncertain", never two."""

import os
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from openbell.ledger import Ledger
from tests.order_attempts import Attempts, Steps
from tests.venue_model import ALL_RULES, UNIQUE_IDS, VenueRules
from tests.venue_model import TROUBLES as VENUE_TROUBLES

Make = Callable[..., Attempts]
IS_WHOLE = os.environ.get("OPENBELL_TEST_ORDERS") == "whole"  # as `make test-orders` sets it: all of them
TROUBLES = [[], *([one] for one in VENUE_TROUBLES)]


@pytest.fixture
def every() -> int:
    """How many statements lie between two at which an attempt is disturbed."""
    return 1 if IS_WHOLE else 7


@pytest.fixture
def make(tmp_path: Path) -> Iterator[Make]:
    """Make new attempts of a new run, with a ledger of their own."""
    numbers = count()

    in_memory = Path("/dev/shm")  # noqa: S108 - a killed process loses nothing of what is not synced
    with TemporaryDirectory(dir=in_memory if in_memory.is_dir() else tmp_path) as place:

        def made(rules: VenueRules, side: str = "buy", *, has_limits: bool = False) -> Attempts:
            folder = Path(place) / str(next(numbers))
            return Attempts(lambda: Ledger(folder / "ledger.sqlite"), folder, rules, side, has_limits)

        yield made


def lengths(make: Make, rules: VenueRules, side: str, trouble: list[str], *, has_limits: bool = False) -> int:
    """Return how many steps an attempt has that nothing disturbs."""
    steps = Steps()
    undisturbed = make(rules, side, has_limits=has_limits)
    undisturbed.venue.trouble[:] = trouble
    undisturbed.run(steps)
    return steps.count


@pytest.mark.parametrize("rules", ALL_RULES, ids=lambda rules: rules.name)
@pytest.mark.parametrize("side", ["buy", "sell"])
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble[0] if trouble else "no trouble")
def test_a_kill_between_any_two_statements(
    make: Make, every: int, rules: VenueRules, side: str, trouble: list[str]
) -> None:
    """Whatever the statement: the next attempt leaves one order, and books that agree with the venue's."""
    found = {}
    for at in range(0, lengths(make, rules, side, trouble), every):
        attempts = make(rules, side)
        attempts.venue.trouble[:] = trouble
        attempts.run(Steps(at))
        assert attempts.endings == ["killed"]
        attempts.run()
        attempts.run()
        attempts.follow()
        if problems := attempts.problems():
            found[at] = problems
    assert found == {}


@pytest.mark.parametrize("side", ["buy", "sell"])
def test_a_kill_under_limits(make: Make, every: int, side: str) -> None:
    """A run that may send one order a day is not refused because of the order that it was about to send when it was killed."""
    found = {}
    for at in range(0, lengths(make, UNIQUE_IDS, side, [], has_limits=True), every):
        attempts = make(UNIQUE_IDS, side, has_limits=True)
        attempts.run(Steps(at))
        attempts.run()
        if problems := attempts.problems():
            found[at] = problems
    assert found == {}


def test_a_kill_of_the_next_attempt_too(make: Make) -> None:
    """Two kills, at any two statements, leave one order."""
    found = {}
    most = lengths(make, UNIQUE_IDS, "buy", [])
    for first in range(0, most, 10):
        for second in range(most):
            attempts = make(UNIQUE_IDS)
            attempts.run(Steps(first))
            attempts.run(Steps(second))
            attempts.run()
            if problems := attempts.problems():
                found[first, second] = problems
    assert found == {}


@pytest.mark.parametrize("rules", ALL_RULES, ids=lambda rules: rules.name)
@pytest.mark.parametrize("trouble", TROUBLES, ids=lambda trouble: trouble[0] if trouble else "no trouble")
def test_two_attempts_alive_at_once(make: Make, every: int, rules: VenueRules, trouble: list[str]) -> None:
    """The first stops at any statement while another goes from its beginning to its end, and then goes on (T28)."""
    found = {}
    for at in range(0, lengths(make, rules, "buy", trouble), every):
        attempts = make(rules)
        attempts.venue.trouble[:] = trouble
        attempts.run(Steps(at, attempts.run))
        attempts.run()
        attempts.follow()
        if problems := attempts.problems():
            found[at] = problems
    assert found == {}
