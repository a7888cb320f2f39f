"""Kills between every two statements of the order path, and two attempts at once, with the ledger in PostgreSQL."""

import os
import re
from itertools import count
from pathlib import Path

import pytest

from openbell.postgres import database, tables
from openbell.postgres.database import Database
from openbell.postgres.ledger import PostgresLedger, schema_of
from tests.order_attempts import Attempts
from tests.serverless.postgres import Server
from tests.serverless.shared import written_for
from tests.unit.trading import test_order_kills as of_sqlite
from tests.venue_model import ALL_RULES, UNIQUE_IDS, VenueRules

LONG = {"test_a_kill_between_any_two_statements", "test_a_kill_of_the_next_attempt_too"}
# No lock of the machine protects these attempts: what keeps them apart is the epoch in each transaction.
globals().update(written_for(of_sqlite, without=frozenset() if of_sqlite.IS_WHOLE else frozenset(LONG)))


SPARSE = (
    9  # SQLite has every statement of every trouble at every venue: here each trouble has one venue at which it does
)
TABLES = re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", tables.LEDGER + tables.LEASES)


@pytest.fixture
def every(request: pytest.FixtureRequest) -> int:
    """How many statements lie between two at which an attempt is disturbed."""
    if not of_sqlite.IS_WHOLE:
        return 27
    case = request.node.callspec.params
    trouble = of_sqlite.TROUBLES.index(case.get("trouble", []))
    venue = ALL_RULES.index(case.get("rules", UNIQUE_IDS))
    return 1 if trouble in {0, *range(venue, len(of_sqlite.TROUBLES), len(ALL_RULES))} else SPARSE


@pytest.fixture
def make(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> of_sqlite.Make:
    """Make new attempts of a new run, each with a connection of its own, as processes on several machines have."""
    monkeypatch.setattr(database, "LOCK_LIMIT", 0.2)  # what a killed attempt held is free sooner
    numbers, name = count(), f"t{os.urandom(6).hex()}"
    empty = Database(server.url(), schema_of(name))
    PostgresLedger(server.url(), name, prepare=True).close()

    def made(rules: VenueRules, side: str = "buy", *, has_limits: bool = False) -> Attempts:
        for table in TABLES:
            empty.execute(f"DELETE FROM {table}")  # noqa: S608 - a name of ours

        def opened() -> PostgresLedger:
            return PostgresLedger(f"{server.url()}?process={next(numbers)}", name)

        return Attempts(opened, tmp_path / str(next(numbers)), rules, side, has_limits)

    return made


def test_it_is_as_sqlites() -> None:
    """The tests of SQLite's order path are here, too."""
    assert "test_two_attempts_alive_at_once" in globals()
