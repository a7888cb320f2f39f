"""The ledger in PostgreSQL: the same statements, and leases that tell a run that goes on elsewhere from one that was cut off."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from typing import cast

from openbell.ledger import Claim, Ledger
from openbell.postgres.database import Database, Guard, OwnershipLostError
from openbell.postgres.lease import SEND_WITHIN
from openbell.postgres.ownership import steady_seconds
from openbell.postgres.tables import LEASES, LEDGER

LEASE = 30.0  # seconds for which a run counts as alive after its instance's last word
_LEASE = (
    "INSERT INTO leases VALUES (?, clock_timestamp() + ? * interval '1 second') "
    "ON CONFLICT (run_id) DO UPDATE SET until = excluded.until"
)


def schema_of(strategy: str) -> str:
    """Return the schema that a strategy's tables are in."""
    return f"openbell_{strategy}"


class PostgresLedger(Ledger):
    """The ledger of one strategy, for instances on many machines. Every method raises sqlite3.Error as the ledger's does."""

    def __init__(self, url: str, strategy: str, *, prepare: bool = False, guard: Guard | None = None) -> None:
        """prepare: make the tables where they are missing. guard: the ownership that each write checks."""
        self.database = Database(url, schema_of(strategy), guard)
        self._guard = guard
        self._database = cast("sqlite3.Connection", self.database)
        self._owner: Claim | None = None
        self._group = None  # the server makes commits durable
        if prepare:
            self.database.make(LEDGER + LEASES)
            self._begin()

    def send_again(self, client_order_id: str, now: datetime) -> None:
        """Record durably that an order is about to be sent `now`; OwnershipLostError if that took so long that it may not be."""
        asked_at = steady_seconds()
        super().send_again(client_order_id, now)
        # A process that was frozen meanwhile does not know what has become of its ownership.
        if self._guard is not None and steady_seconds() - asked_at > SEND_WITHIN:
            raise OwnershipLostError(self._guard.strategy)

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """Let no other run of the strategy decide on an order until this one is sent; a run that dies lets go."""
        with self.database.locked("orders"):
            yield

    def deciding(self) -> AbstractContextManager[None]:
        """Let no other instance decide which slots run and which are passed over."""
        return self.database.locked("slots")

    def open_claims(self) -> list[Claim]:
        """Return the claims of runs that were cut off: without an outcome, and without a process that still runs them."""
        alive = self._alive()
        return [claim for claim in super().open_claims() if claim.run_id not in alive]

    def alive_claims(self) -> list[Claim]:
        """Return the claims of runs that go on."""
        alive = self._alive()
        return [claim for claim in super().open_claims() if claim.run_id in alive]

    def account_telling(self, bot: str, slot: datetime, tell: Callable[[], None]) -> None:
        """Account for a slot and write its line, both or neither."""
        with self._transaction():
            tell()
            self._account(bot, slot)

    def lease(self, run_ids: Iterable[str]) -> None:
        """Say, by the server's clock, that these runs go on."""
        self.database.executemany(_LEASE, [(run_id, LEASE) for run_id in run_ids])

    def release(self, run_ids: Iterable[str]) -> None:
        """Say that these runs do not go on; the leases of those that were cut off long ago go with them."""
        self.database.executemany("DELETE FROM leases WHERE run_id = ?", [(run_id,) for run_id in run_ids])
        self.database.execute("DELETE FROM leases WHERE until < clock_timestamp() - interval '1 day'")

    def _transaction(self) -> AbstractContextManager[None]:
        return self.database.transaction()

    def _alive(self) -> set[str]:
        return {
            str(run_id)
            for (run_id,) in self.database.execute("SELECT run_id FROM leases WHERE until > clock_timestamp()")
        }
