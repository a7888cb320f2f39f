"""The paper account in PostgreSQL: the tests of SQLite's."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from openbell.trading.brokers.postgres_paper import PostgresPaperBroker
from openbell.trading.brokers.registry import open_broker
from openbell.trading.run_services import RunServices
from tests.serverless.postgres import Server
from tests.serverless.shared import written_for
from tests.unit.trading.brokers import test_paper as of_sqlite
from tests.unit.trading.brokers.test_paper import FixedMarket, buy

globals().update(written_for(of_sqlite))


@pytest.fixture
def market() -> FixedMarket:
    """Give a market with two prices."""
    return FixedMarket(AAPL=200.0, PENNY=0.1)


@pytest.fixture
def broker(server: Server, market: FixedMarket) -> Iterator[PostgresPaperBroker]:
    """Give a new account."""
    one = PostgresPaperBroker(server.url(), f"t{os.urandom(6).hex()}", market, of_sqlite.NOW)
    yield one
    one.close()


def test_it_is_as_sqlites() -> None:
    """The tests of SQLite's account are here, too."""
    assert "test_money_is_exact" in globals()


def test_the_account_is_where_the_database_is(server: Server, market: FixedMarket) -> None:
    """The next process that opens it finds what is held."""
    name = f"t{os.urandom(6).hex()}"
    for expected in (2.0, 4.0):
        broker = PostgresPaperBroker(server.url(), name, market, of_sqlite.NOW)
        broker.submit(buy(2, client_order_id=f"b{expected}"))
        assert broker.positions()["AAPL"].quantity == expected
        broker.close()


def test_an_exchange_on_paper_keeps_its_account_there_too(server: Server, market: FixedMarket, tmp_path: Path) -> None:
    """A function has no disk that stays: without keys, `ccxt:` trades in the database (T29)."""
    desk = RunServices(database=server.url(), strategy=f"t{os.urandom(6).hex()}", state=tmp_path)
    for expected in (2.0, 4.0):
        broker = open_broker("ccxt:binance", tmp_path, market, of_sqlite.NOW, desk)
        assert isinstance(broker, PostgresPaperBroker)
        broker.submit(buy(2, client_order_id=f"b{expected}"))
        assert broker.positions()["AAPL"].quantity == expected
        broker.close()
    assert list(tmp_path.iterdir()) == []
