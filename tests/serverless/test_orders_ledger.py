"""The account of orders in PostgreSQL: the tests of SQLite's, and one order at a time."""

import os
import threading
from collections.abc import Iterator

import pytest

from openbell.ledger import OrderRecord
from openbell.postgres.ledger import PostgresLedger
from tests.serverless.postgres import Server
from tests.serverless.shared import written_for
from tests.unit.ledger import test_orders as of_sqlite

globals().update(written_for(of_sqlite))


@pytest.fixture
def ledger(server: Server) -> Iterator[PostgresLedger]:
    """A new ledger with an order to buy four."""
    one = PostgresLedger(server.url(), f"t{os.urandom(6).hex()}", prepare=True)
    one.intend(OrderRecord("ob-1", "b", of_sqlite.SLOT, "AAPL", "buy", "", 4.0), of_sqlite.SLOT)
    yield one
    one.close()


def test_it_is_as_sqlites() -> None:
    """The tests of SQLite's orders are here, too."""
    assert "test_a_sale_takes_away" in globals()


def test_orders_are_decided_on_one_at_a_time(ledger: PostgresLedger) -> None:
    """Who is second waits until the first is done, whatever machine it is on."""
    inside, seen = threading.Event(), []

    def second() -> None:
        with ledger.one_at_a_time():
            seen.append(inside.is_set())

    thread = threading.Thread(target=second)
    with ledger.one_at_a_time():
        thread.start()
        thread.join(0.2)
        assert thread.is_alive()
        inside.set()
    thread.join(10)
    assert seen == [True]
