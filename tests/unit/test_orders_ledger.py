"""The ledger's account of orders: what they have bought so far, whatever order the broker's answers come in."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.ledger import Ledger, OrderRecord

SLOT = datetime(2026, 3, 2, 9, 5, tzinfo=UTC)


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A new ledger with an order to buy four."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as one:
        one.intend(OrderRecord("ob-1", "b", SLOT, "AAPL", "buy", "", 4.0), SLOT)
        yield one


def test_fills_are_held_as_they_come(ledger: Ledger) -> None:
    """Each answer adds what is new in it; an order that is done is no longer open."""
    assert ledger.holdings() == {}
    ledger.settle("ob-1", "partially_filled", "o-1", 1.0, 10.0)
    assert ledger.holdings() == {"AAPL": 1.0}
    assert [record.status for record in ledger.open_orders()] == ["partially_filled"]
    for _ in range(2):
        ledger.settle("ob-1", "filled", "o-1", 4.0, 11.0)
        assert ledger.holdings() == {"AAPL": 4.0}
    assert ledger.open_orders() == []


@pytest.mark.parametrize("status, filled", [("partially_filled", 1.0), ("accepted", 0.0), ("accepted", 4.0)])
def test_an_answer_out_of_order_changes_nothing(ledger: Ledger, status: str, filled: float) -> None:
    """What an older answer says of an order that is done is history."""
    ledger.settle("ob-1", "filled", "o-1", 4.0, 11.0)
    ledger.settle("ob-1", status, "o-1", filled)
    assert ledger.holdings() == {"AAPL": 4.0}
    record = ledger.order("ob-1")
    assert record is not None
    assert (record.status, record.filled, record.price) == ("filled", 4.0, 11.0)


def test_a_cancelled_order_holds_what_it_had_filled(ledger: Ledger) -> None:
    """The rest never comes."""
    ledger.settle("ob-1", "cancelled", "o-1", 1.5)
    assert ledger.holdings() == {"AAPL": 1.5}


def test_a_sale_takes_away(ledger: Ledger) -> None:
    """What is sold whole is held no more, to the last binary fraction."""
    ledger.intend(OrderRecord("ob-2", "b", SLOT, "AAPL", "sell", "", 0.3))
    ledger.settle("ob-1", "filled", "o-1", 0.1 + 0.2)
    ledger.settle("ob-2", "filled", "o-2", 0.3)
    assert ledger.holdings() == {}


def test_a_fee_in_coins_is_not_held(ledger: Ledger) -> None:
    """Also if a later answer does not tell it again."""
    ledger.settle("ob-1", "partially_filled", "o-1", 2.0, 10.0, fee=0.002)
    ledger.settle("ob-1", "filled", "o-1", 4.0, 10.0)
    assert ledger.holdings() == {"AAPL": pytest.approx(3.998)}


def test_a_rejection_is_remembered_with_its_reason(ledger: Ledger) -> None:
    """It holds nothing, is not open, and is not counted as lost."""
    ledger.settle("ob-1", "rejected", "", reason="no such symbol")
    record = ledger.order("ob-1")
    assert record is not None
    assert (record.status, record.reason, record.at) == ("rejected", "no such symbol", SLOT)
    assert (ledger.holdings(), ledger.open_orders()) == ({}, [])


def test_orders_of_a_day_are_counted_by_when_they_were_sent(ledger: Ledger) -> None:
    """One that openbell refused was not sent."""
    ledger.intend(OrderRecord("ob-2", "b", SLOT, "AAPL", "buy", "", 1.0), SLOT + timedelta(hours=1))
    assert [ledger.sent_since(SLOT + step * timedelta(minutes=30)) for step in (0, 1, 3)] == [2, 1, 0]
    ledger.settle("ob-2", "refused", "")
    assert ledger.sent_since(SLOT) == 1


def test_an_order_that_is_sent_again_is_new_from_then_on(ledger: Ledger) -> None:
    """It never arrived: the time of the new attempt is what counts."""
    ledger.settle("ob-1", "refused", "")
    later = SLOT + timedelta(minutes=1)
    ledger.send_again("ob-1", later)
    (record,) = ledger.open_orders()
    assert (record.status, record.at) == ("intended", later)


def test_a_ledger_from_before_there_were_holdings_counts_its_orders(tmp_path: Path) -> None:
    """Nothing that was bought is forgotten by an update, and it is counted once."""
    path = tmp_path / "old.sqlite"
    with closing(Ledger(path)) as one:
        for number, (side, quantity, status) in enumerate(
            [("buy", 5.0, "filled"), ("sell", 2.0, "filled"), ("buy", 9.0, "rejected")]
        ):
            one.intend(OrderRecord(f"ob-{number}", "b", SLOT, "AAPL", side, "", quantity))
            one.settle(f"ob-{number}", status, "o")
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript("DROP TABLE sent; DROP TABLE holdings; DELETE FROM facts WHERE name = 'holdings since';")
    for _ in range(2):
        with closing(Ledger(path)) as one:
            assert one.holdings() == {"AAPL": 3.0}
            assert one.order("ob-0") is not None


def test_orders_are_decided_on_one_at_a_time(tmp_path: Path) -> None:
    """Whoever comes second waits until the first has sent, or is gone."""
    path, told = tmp_path / "ledger.sqlite", list[str]()
    entered, leave = threading.Event(), threading.Event()

    def decide(name: str, before: Callable[[], object]) -> None:
        with closing(Ledger(path)) as one, one.one_at_a_time():
            entered.set()
            before()
            told.append(name)

    first = threading.Thread(target=decide, args=("first", lambda: leave.wait(10)))
    first.start()
    assert entered.wait(10)
    second = threading.Thread(target=decide, args=("second", lambda: None))
    second.start()
    second.join(0.1)
    assert second.is_alive()
    leave.set()
    first.join(10)
    second.join(10)
    assert told == ["first", "second"]


def test_what_is_old_is_forgotten_and_stays_held(ledger: Ledger) -> None:
    """The file stays small; what was bought long ago is still there."""
    ledger.settle("ob-1", "filled", "o-1", 4.0)
    ledger.forget_before(SLOT + timedelta(days=1))
    assert ledger.order("ob-1") is None
    assert ledger.holdings() == {"AAPL": 4.0}
