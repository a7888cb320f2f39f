"""The ledger's account of orders: what they have bought so far, whatever order the broker's answers come in."""

import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.ledger import Claim, EpochLostError, Ledger, OrderRecord

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


def test_each_bot_has_what_its_own_orders_have_made(ledger: Ledger) -> None:
    """Quantity, cost, since when and profit by bot; the strategy's holdings are their sum."""
    ledger.intend(OrderRecord("ob-2", "c", SLOT, "AAPL", "buy", "", 2.0), SLOT)
    ledger.settle("ob-1", "filled", "o-1", 4.0, 10.0, now=SLOT)
    ledger.settle("ob-2", "filled", "o-2", 2.0, 20.0, now=SLOT)
    ledger.intend(OrderRecord("ob-3", "b", SLOT, "AAPL", "sell", "", 1.0), SLOT)
    ledger.settle("ob-3", "filled", "o-3", 1.0, 15.0, now=SLOT)
    first, second = ledger.positions()
    assert (first.bot, float(first.quantity), float(first.cost), float(first.realised)) == ("b", 3.0, 30.0, 5.0)
    assert (second.bot, float(second.quantity), second.since) == ("c", 2.0, SLOT)
    assert ledger.holdings() == {"AAPL": 5.0}
    assert {currency: float(amount) for currency, amount in ledger.flows().items()} == {"": -65.0}


def test_what_is_adopted_goes_to_the_bot_that_holds_most_or_asks_first(ledger: Ledger) -> None:
    """A person takes the broker's word: the sum of the bots is what the broker holds."""
    ledger.settle("ob-1", "filled", "o-1", 4.0, 10.0)
    ledger.hold({"AAPL": 3.0, "IBM": 7.0})
    assert (float(ledger.position("b", "AAPL").quantity), float(ledger.position("b", "AAPL").cost)) == (3.0, 30.0)
    assert float(ledger.position("c", "IBM").quantity) == 0.0
    assert float(ledger.position("", "IBM", takes=True).quantity) == 7.0  # no bot takes it from no bot
    assert float(ledger.position("c", "IBM", takes=True).quantity) == 7.0
    assert float(ledger.position("b", "IBM", takes=True).quantity) == 0.0


def test_a_split_and_a_new_name_keep_what_it_cost(ledger: Ledger) -> None:
    """One unit becomes ten, and the symbol is called otherwise: holdings and positions follow."""
    ledger.settle("ob-1", "filled", "o-1", 4.0, 100.0)
    assert [ledger.split("AAPL", Decimal(10), "a split") for _ in range(2)] == [True, False]
    assert [ledger.rename("AAPL", "PEAR", "a name") for _ in range(2)] == [True, False]
    position = ledger.position("b", "PEAR")
    assert (float(position.quantity), float(position.average_price)) == (40.0, 10.0)
    assert ledger.holdings() == {"PEAR": 40.0}


def test_an_attempt_that_was_replaced_writes_nothing(ledger: Ledger) -> None:
    """Each write checks in its own transaction that the attempt is the run's newest, and the run has not ended."""
    claim = Claim("b", SLOT, "r1", 1, "loop", SLOT)
    ledger.claim([claim])
    ledger.next_attempt(replace(claim, attempt=2))
    ledger.act_for(claim)
    writes: tuple[Callable[[], object], ...] = (
        lambda: ledger.intend(OrderRecord("ob-9", "b", SLOT, "AAPL", "buy", "", 1.0), SLOT),
        lambda: ledger.send_again("ob-1", SLOT),
        lambda: ledger.settle("ob-1", "filled", "o-1", 4.0, 10.0),
        lambda: ledger.save_state("b", SLOT, {"a": 1}),
        lambda: ledger.keep_state("b", {"a": 1}),
        lambda: ledger.tell_if_owned(claim, lambda: pytest.fail("it was told")),
    )
    for write in writes:
        with pytest.raises(EpochLostError):
            write()
    assert (ledger.order("ob-9"), ledger.holdings(), ledger.state("b")) == (None, {}, {})
    ledger.act_for(replace(claim, attempt=2))
    ledger.settle("ob-1", "filled", "o-1", 4.0, 10.0)
    assert ledger.holdings() == {"AAPL": 4.0}


def test_a_streams_orders_of_today_outlive_the_ledgers_keep(ledger: Ledger) -> None:
    """The stream began months ago, and so did its slot: what it sent today still counts (T30)."""
    months_later = SLOT + timedelta(days=120)
    ledger.intend(OrderRecord("ob-2", "b", SLOT, "AAPL", "buy", "", 1.0), months_later)
    ledger.settle("ob-2", "filled", "o-2", 1.0, 10.0)
    ledger.forget_before(months_later - timedelta(days=90))
    assert ledger.sent_since(months_later) == 1


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


def test_orders_of_a_clock_that_was_ahead_do_not_count_today(ledger: Ledger) -> None:
    """They would use up the limit of every day for a year."""
    ledger.intend(OrderRecord("ob-2", "b", SLOT, "AAPL", "buy", "", 1.0), SLOT + timedelta(days=365))
    assert [ledger.sent_since(SLOT + timedelta(days=days)) for days in (0, 10, 365)] == [1, 0, 1]


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
    """The second run waits until the first has sent, or has ended."""
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


def test_a_ledger_of_the_version_before_gives_its_holdings_to_the_bot_that_traded_them(tmp_path: Path) -> None:
    """It knew what the strategy held and not which bot: the holdings go on as the position of the bot that traded last."""
    path = tmp_path / "old.sqlite"
    with closing(Ledger(path)) as one:
        one.intend(OrderRecord("ob-1", "b", SLOT, "AAPL", "buy", "", 5.0), SLOT)
        one.settle("ob-1", "filled", "o", 5.0, 10.0)
        one.hold({"IBM": 3.0})
    with closing(sqlite3.connect(path)) as raw, raw:
        raw.executescript("DROP TABLE positions; DROP TABLE fills; DROP TABLE flows;")
    for _ in range(2):
        with closing(Ledger(path)) as one:
            assert one.holdings() == {"AAPL": 5.0, "IBM": 3.0}
            assert float(one.position("b", "AAPL").quantity) == 5.0
            assert one.position("b", "AAPL").since is not None
    with closing(Ledger(path)) as one:
        assert float(one.position("c", "IBM", takes=True).quantity) == 3.0
