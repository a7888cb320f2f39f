"""The paper account in PostgreSQL."""

import sqlite3
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import cast

from openbell.costs import Costs
from openbell.postgres.database import Database
from openbell.postgres.ledger import schema_of
from openbell.postgres.ownership import guard_of
from openbell.postgres.tables import PAPER
from openbell.trading.brokers import BrokerError
from openbell.trading.brokers.paper import PaperBroker
from openbell.trading.brokers.paper_tables import CURRENCY, STARTING_CASH
from openbell.trading.markets import Market


class PostgresPaperBroker(PaperBroker):
    """The paper account of one strategy, for orders placed at one instant."""

    def __init__(
        self,
        url: str,
        strategy: str,
        market: Market,
        at: datetime,
        costs: Costs | None = None,
        *,
        short: bool = False,
        strategy_folder: Path | None = None,
    ) -> None:
        super().__init__(Path(), market, at, costs, short=short, strategy=strategy_folder)
        self._database = Database(url, f"{schema_of(strategy)}_paper", guard_of(strategy))
        self._is_there = False

    def close(self) -> None:
        """Close this process's connection."""
        self._database.close()

    @contextmanager
    def _connection(self) -> Iterator[sqlite3.Connection]:
        """Yield the connection for one call, with the account made if need be; what is not committed is undone."""
        try:
            if not self._is_there:
                self._begin()
                self._is_there = True
            yield cast("sqlite3.Connection", self._database)
        except sqlite3.Error as error:
            msg = f"the paper account cannot be used: {error}"
            raise BrokerError(msg) from error

    def _begin(self) -> None:
        """Make the account where there is none, and put its money into it, once."""
        self._database.make(PAPER)
        if not self._database.execute("SELECT 1 FROM account"):
            with self._database.transaction():
                values = str(STARTING_CASH), CURRENCY
                self._database.execute("INSERT INTO account SELECT ?, ? WHERE NOT EXISTS (SELECT FROM account)", values)

    def _transaction(self, _: sqlite3.Connection) -> AbstractContextManager[None]:
        return self._database.transaction()
