"""The row that says who owns a strategy, and what an older epoch can still do: nothing."""

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.ledger import Claim, OrderRecord
from openbell.paths import EPOCH
from openbell.postgres.connection import PostgresError
from openbell.postgres.database import FROZEN_AFTER, Database, Guard, OwnershipLostError
from openbell.postgres.journal import OwnedJournal
from openbell.postgres.lease import SEND_WITHIN
from openbell.postgres.ledger import PostgresLedger, schema_of
from openbell.postgres.ownership import Acquired, Ownership
from openbell.postgres.tables import SHARED, SHARED_SCHEMA
from openbell.trading.brokers import BrokerError, Order
from openbell.trading.brokers.postgres_paper import PostgresPaperBroker
from openbell.trading.markets.synthetic import SyntheticMarket
from tests.serverless.postgres import Server

SLOT = datetime(2026, 11, 20, 14, 30, tzinfo=UTC)
CLAIM = Claim("b", SLOT, "r1", 1, "loop", SLOT)
ORDER = OrderRecord("o1", "b", SLOT, "AAPL", "buy", "", 1.0)


class Row:
    """One strategy's row, and two loops that want it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.name = f"t{os.urandom(6).hex()}"
        self.database = Database(url, SHARED_SCHEMA)
        self.database.make(SHARED)
        self.first = Ownership(self.database, self.name, "boot1", "a")
        self.second = Ownership(self.database, self.name, "boot2", "b")

    def age(self, seconds: float) -> None:
        """Let the row be so much older."""
        statement = "UPDATE owners SET until = until - ? * interval '1 second' WHERE strategy = ?"
        self.database.execute(statement, (seconds, self.name))

    def ledger(self, epoch: int) -> PostgresLedger:
        """Return the ledger of an epoch."""
        return PostgresLedger(self.url, self.name, prepare=True, guard=Guard(self.name, epoch, f"boot{epoch}"))


@pytest.fixture
def row(server: Server) -> Iterator[Row]:
    """A strategy without an owner."""
    one = Row(server.url())
    yield one
    one.database.close()


def given(acquired: Acquired | None) -> tuple[object, ...]:
    """Return what a new owner is given, but for the time."""
    assert acquired is not None
    assert abs(acquired.at - datetime.now(UTC)) < timedelta(minutes=1)
    return acquired[:3]


def test_one_owns_at_a_time(row: Row) -> None:
    """The first that asks; it may renew, and the other may not begin."""
    assert given(row.first.acquire()) == (1, "", "")
    assert row.second.acquire() is None
    assert row.first.renew(1, '{"beat": 1}')
    owner = row.second.current()
    assert owner is not None
    assert (owner.host, owner.epoch, owner.beat, 11 < owner.seconds_left <= 12) == ("a", 1, '{"beat": 1}', True)


@pytest.mark.parametrize("seconds, is_free", [(11.0, False), (13.0, False), (16.0, False), (17.5, True)])
def test_another_owns_after_the_lease_and_orders_on_their_way(row: Row, seconds: float, is_free: bool) -> None:
    """Not as soon as the lease is over: an order may have left at its very end."""
    row.first.acquire()
    row.age(seconds)
    assert (row.second.acquire() is not None) is is_free
    assert row.first.renew(1, "") is (seconds < 12)


def test_what_is_released_is_free_at_once(row: Row) -> None:
    """The owner has ended its runs in order; the next one gets its answers."""
    row.first.acquire()
    assert row.first.answer(1, '{"requests": []}')
    row.first.release(1)
    assert given(row.second.acquire()) == (2, '{"requests": []}', "")
    assert not row.first.renew(1, "")
    assert not row.first.answer(1, "{}")
    row.first.release(1)
    owner = row.first.current()
    assert owner is not None
    assert owner.seconds_left > 0  # a release by an older epoch changes nothing


WRITES: dict[str, Callable[[PostgresLedger], object]] = {
    "claim": lambda ledger: ledger.claim([CLAIM]),
    "attempt": lambda ledger: ledger.next_attempt(replace(CLAIM, attempt=2)),
    "intend": lambda ledger: ledger.intend(ORDER, SLOT),
    "send": lambda ledger: ledger.send_again("o1", SLOT),
    "settle": lambda ledger: ledger.settle("o1", "filled", "x", 1.0, 10.0),
    "state": lambda ledger: ledger.save_state("b", SLOT, {"n": 1}),
    "finish": lambda ledger: ledger.finish([(CLAIM, "succeeded")]),
    "account": lambda ledger: ledger.account([("b", SLOT)]),
    "fact": lambda ledger: ledger.remember("halted b", "x"),
}


@pytest.mark.parametrize("write", WRITES)
@pytest.mark.parametrize("is_replaced", [False, True], ids=["over", "replaced"])
def test_no_write_of_an_older_epoch_has_an_effect(
    row: Row, write: str, is_replaced: bool
) -> None:  # fmt: skip
    """Whether another owns the strategy by now, or the lease is merely over."""
    row.first.acquire()
    old = row.ledger(1)
    old.claim([replace(CLAIM, bot="other")])
    old.intend(replace(ORDER, client_order_id="o0"), SLOT)
    row.age(20)
    if is_replaced:
        assert given(row.second.acquire()) == (2, "", "")
    before = everything(row)
    with pytest.raises(OwnershipLostError, match="is not owned by this loop any more: nothing was written"):
        WRITES[write](old)
    assert everything(row) == before


def everything(row: Row) -> list[list[tuple[object, ...]]]:
    """Return all that the ledger's tables hold."""
    database = Database(row.url, schema_of(row.name))
    tables = ("claims", "accounted", "orders", "sent", "positions", "fills", "flows", "state", "facts")
    return [[tuple(line) for line in database.execute(f"SELECT * FROM {table}")] for table in tables]  # noqa: S608 - as listed


def test_no_line_and_no_fill_of_an_older_epoch_is_kept(
    row: Row, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The journal refuses a line as a full disk would, and the paper account an order."""
    row.first.acquire()
    monkeypatch.setenv(EPOCH, "1 boot1")
    journal = OwnedJournal(row.url, tmp_path, row.name, "boot1")
    broker = PostgresPaperBroker(row.url, row.name, SyntheticMarket(), SLOT)
    journal.write("note", SLOT, message="mine")
    broker.submit(Order("o1", "AAPL", "buy", 1.0))
    row.age(20)
    row.second.acquire()
    with pytest.raises(OSError, match="not owned by this loop any more"):
        journal.write("note", SLOT, message="late")
    late = PostgresPaperBroker(row.url, row.name, SyntheticMarket(), SLOT)
    with pytest.raises(BrokerError, match="not owned by this loop any more"):
        late.submit(Order("o2", "AAPL", "buy", 1.0))
    assert [event["message"] for event in journal.since(SLOT.date())] == ["mine"]
    assert late.find("o2") is None


def test_a_process_has_one_connection(database: Database, url: str, tmp_path: Path) -> None:
    """The number of a database's connections is that of the loops and runs that use it."""
    assert Ownership(database, "s", "boot", "a").acquire() is not None
    PostgresLedger(url, "s", prepare=True, guard=Guard("s", 1, "boot")).remember("a", "1")
    OwnedJournal(url, tmp_path, "s", "boot")
    PostgresPaperBroker(url, "s", SyntheticMarket(), SLOT).account()
    mine = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
    assert database.execute(mine) == [(1,)]


def test_a_transaction_that_has_begun_ends_before_another_owns(row: Row) -> None:
    """The takeover waits for it, so its effect is one of its own epoch."""
    row.first.acquire()
    ledger = row.ledger(1)
    with ledger.database.transaction():
        ledger.database.execute("INSERT INTO facts VALUES ('a', '1')")
        pid = os.fork()  # a connection of its own: this one is in a transaction
        if pid == 0:
            Database(row.url, SHARED_SCHEMA).execute("UPDATE owners SET epoch = 2 WHERE strategy = ?", (row.name,))
            os._exit(0 if PostgresLedger(row.url, row.name).fact("a") == "1" else 1)
        time.sleep(0.5)
    assert os.waitpid(pid, 0)[1] == 0


def test_a_process_that_is_frozen_in_a_transaction_holds_up_no_takeover(row: Row) -> None:
    """The server ends its transaction, and nothing of it stays."""
    row.first.acquire()
    ledger = row.ledger(1)
    with pytest.raises(PostgresError), ledger.database.transaction():  # noqa: PT012 - the whole block is what is tested
        ledger.database.execute("INSERT INTO facts VALUES ('a', '1')")
        time.sleep(FROZEN_AFTER + 0.5)
        ledger.database.execute("INSERT INTO facts VALUES ('b', '1')")
    assert ledger.fact("a") is None


def test_an_order_does_not_leave_long_after_the_check(row: Row, monkeypatch: pytest.MonkeyPatch) -> None:
    """A process that was frozen between the two does not know what has become of its ownership."""
    row.first.acquire()
    ledger = row.ledger(1)
    ledger.intend(ORDER, SLOT)
    ledger.send_again("o1", SLOT)
    seconds = iter((100.0, 100.0 + SEND_WITHIN + 0.1))
    monkeypatch.setattr("openbell.postgres.ledger.steady_seconds", lambda: next(seconds))
    with pytest.raises(OwnershipLostError):
        ledger.send_again("o1", SLOT)
