"""What outlives slots, accounts and orders: days, bars and newest states."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from openbell.supervisor.model.records import AccountRecord, OrderRecord, SlotRecord, Uptime, Worth
from openbell.supervisor.store import retention
from openbell.supervisor.store.equity import DAY, HOUR
from openbell.supervisor.store.store import Store

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)
HOURS = timedelta(hours=1)
DAYS = timedelta(days=1)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    """A new store."""
    with closing(Store(tmp_path / "store")) as store:
        yield store


def slot(at: datetime, outcome: str | None, count: int = 1) -> SlotRecord:
    """Return a record of one slot, or of a range that ends there."""
    return SlotRecord(at - timedelta(minutes=count - 1), at, count, outcome)


def put(store: Store, *slots: SlotRecord) -> None:
    """Store records of one bot."""
    with store.transaction():
        for one in slots:
            store.slots.put("s", "b", one)


def test_uptime_is_the_part_that_succeeded(store: Store) -> None:
    """Of 7, 30 and 90 days; what was skipped on purpose, is in progress, or is older, does not count."""
    assert store.slot_days.uptime("s", "b", AT) == Uptime()
    put(store, slot(AT, "succeeded"), slot(AT - HOURS, "skipped", 9), slot(AT + HOURS, None))
    put(store, slot(AT - 8 * DAYS, "missed"), slot(AT - 40 * DAYS, "failed", 2), slot(AT - 100 * DAYS, "failed"))
    assert store.slot_days.uptime("s", "b", AT) == Uptime(1.0, 0.5, 0.25)


def test_a_slot_that_changes_its_outcome_counts_once(store: Store) -> None:
    """Under the newest, also where a range is dropped; a transaction that fails leaves nothing."""
    put(store, slot(AT, "missed", 3))
    with store.transaction():
        store.slots.drop("s", "b", slot(AT, None))
        store.slots.put("s", "b", slot(AT, "succeeded"))
    assert store.slot_days.days("s", "b", AT.date()) == {AT.date(): {"succeeded": 1}}
    with pytest.raises(AttributeError):
        put(store, slot(AT + HOURS, "failed"), None)  # type: ignore[arg-type] # what fails within a transaction
    put(store, slot(AT, "succeeded"))
    assert store.slot_days.days("s", "b", date(2026, 1, 1)) == {AT.date(): {"succeeded": 1}}


def test_days_outlive_their_slots(store: Store) -> None:
    """And go in their turn."""
    put(store, slot(AT - 50 * DAYS, "succeeded"), slot(AT - 401 * DAYS, "failed"))
    with store.transaction():
        list(retention.sweep(store._database, AT, lambda *_: None))
    assert store.slots.recent("s", "b", AT, 9) == []
    assert list(store.slot_days.days("s", "b", date(2020, 1, 1))) == [(AT - 50 * DAYS).date()]


def test_slots_of_an_older_version_are_counted(tmp_path: Path) -> None:
    """Once: a file that has them is taken over when it is opened."""
    file = tmp_path / "store"
    with closing(Store(file)) as store:
        put(store, slot(AT, "succeeded"), slot(AT - HOURS, "missed"))
    with closing(sqlite3.connect(file)) as database:
        database.executescript("DROP TABLE slot_days; DELETE FROM marks;")
    for _ in range(2):
        with closing(Store(file)) as store:
            assert store.slot_days.uptime("s", "b", AT).week == 0.5


def account(at: datetime, equity: float | None, broker: str = "paper") -> AccountRecord:
    """Return what an account was worth."""
    return AccountRecord(at, "b", broker, 1.0, equity, "USD", {})


def test_equity_by_hour_and_by_day(store: Store) -> None:
    """Where it begins and the end of each, in whatever order the lines are read, and again if they are read twice."""
    told = [account(AT + timedelta(minutes=m), e) for m, e in ((0, 5.0), (10, 2.0), (20, 9.0), (59, 7.0), (60, 8.0))]
    for one in (*told[::-1], *told, account(AT, None)):
        store.equity.put("s", one)
    beginning, later = AT, AT + timedelta(hours=1)
    assert store.equity.line("s", "paper", HOUR, AT) == [(beginning, 5.0), (told[3].at, 7.0), (later, 8.0)]
    assert store.equity.line("s", "paper", DAY, AT) == [(beginning, 5.0), (later, 8.0)]
    assert store.equity.line("s", "other", HOUR, AT) == []


def test_gains_since_the_day_and_the_week_began(store: Store) -> None:
    """Against the last value before each; against the first there is, where the account is younger."""
    today, week = AT.replace(hour=5), AT.replace(hour=5) - 4 * DAYS
    for at, equity in ((week - DAYS, 80.0), (week - HOURS, 90.0), (today - HOURS, 100.0), (AT, 130.0)):
        store.equity.put("s", account(at, equity))
    worth = store.equity.worth("s", account(AT, 130.0), today, week)
    assert worth == Worth(AT, "USD", 130.0, 30.0, 40.0, 50.0, week - DAYS)
    store.equity.put("s", account(AT, 7.0, "alpaca"))
    young = store.equity.worth("s", account(AT, 7.0, "alpaca")._replace(day_profit_loss=-1.5), today, week)
    assert young == Worth(AT, "USD", 7.0, -1.5, 0.0, 0.0, AT)
    assert store.equity.worth("s", account(AT, None), today, week) is None
    stale = store.equity.worth("s", account(AT, 130.0), AT + DAYS, week)
    assert stale is not None
    assert stale.today is None


def order(status: str, minute: int = 0, **more: object) -> OrderRecord:
    """Return what a line tells of an order."""
    at = AT + timedelta(minutes=minute)
    base = OrderRecord("o1", "b", "r1", "AAPL", "buy", 5.0, status, 0.0, None, None, at, at, "", "it rose")
    return base._replace(**more)  # type: ignore[arg-type]


def test_an_order_has_its_newest_state(store: Store) -> None:
    """Also if older news are read again; what later news do not say stays."""
    store.orders.put("s", order("accepted"))
    assert store.orders.count_open("s", "b") == 1
    for one in (order("filled", 5, filled=5.0, price=9.5, why="", fee=1.0), order("accepted"), order("accepted", 3)):
        store.orders.put("s", one)
    (found,) = store.orders.newest("s", "b")
    assert (found.status, found.filled, found.price, found.fee, found.why) == ("filled", 5.0, 9.5, 1.0, "it rose")
    assert (found.at, found.changed_at) == (AT, AT + timedelta(minutes=5))
    assert (store.orders.count_open("s", "b"), store.orders.newest("s", is_open=True)) == (0, [])
    assert store.orders.filled("s", 9) == [found]


def test_orders_that_wait_are_kept(store: Store) -> None:
    """However old; others go after a year."""
    old = AT - 500 * DAYS
    store.orders.put("s", order("accepted", at=old, changed_at=old))
    store.orders.put("s", order("cancelled", client_order_id="o2", at=old, changed_at=old))
    with store.transaction():
        list(retention.sweep(store._database, AT, lambda *_: None))
    assert [one.client_order_id for one in store.orders.newest("s")] == ["o1"]
