"""Kills between every two statements of the order path, and two attempts at once, with the ledger in PostgreSQL."""

import os
from itertools import count
from pathlib import Path

import pytest

from openbell.postgres import database
from openbell.postgres.ledger import PostgresLedger
from tests.order_attempts import Attempts
from tests.serverless.postgres import Server
from tests.serverless.shared import written_for
from tests.unit import test_order_kills as of_sqlite
from tests.venue_model import VenueRules

LONG = {"test_a_kill_between_any_two_statements", "test_a_kill_of_the_next_attempt_too"}
# No lock of the machine protects these attempts: what keeps them apart is the epoch in each transaction.
globals().update(written_for(of_sqlite, without=frozenset() if of_sqlite.IS_WHOLE else frozenset(LONG)))


@pytest.fixture
def every() -> int:
    """How many statements lie between two at which an attempt is disturbed."""
    return 1 if of_sqlite.IS_WHOLE else 27


@pytest.fixture
def make(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> of_sqlite.Make:
    """Make new attempts of a new run, each with a connection of its own, as processes on several machines have."""
    monkeypatch.setattr(database, "LOCK_LIMIT", 0.2)  # what a killed attempt held is free sooner
    numbers = count()

    def made(rules: VenueRules, side: str = "buy", *, has_limits: bool = False) -> Attempts:
        name = f"t{os.urandom(6).hex()}"
        PostgresLedger(server.url(), name, prepare=True).close()

        def opened() -> PostgresLedger:
            return PostgresLedger(f"{server.url()}?process={next(numbers)}", name)

        return Attempts(opened, tmp_path / name, rules, side, has_limits)

    return made


def test_it_is_as_sqlites() -> None:
    """The tests of SQLite's order path are here, too."""
    assert "test_two_attempts_alive_at_once" in globals()
