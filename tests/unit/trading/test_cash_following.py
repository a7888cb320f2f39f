"""Which part of an account's dividends is the strategy's, and how often it is asked for."""

import time
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.ledger import Ledger, OrderRecord
from openbell.trading.brokers import BrokerError
from openbell.trading.cash_entries import CashEntry
from openbell.trading.cash_following import book_new, own_part
from tests.unit.trading.reconciliation.desk import ABroker

NOW = datetime(2026, 11, 20, 16, tzinfo=UTC)
DAY = timedelta(days=1)


class APayingBroker(ABroker):
    """A broker whose entries are set by hand."""

    cash_entries_every = timedelta(hours=1)

    def __init__(self) -> None:
        super().__init__()
        self.entries: list[CashEntry] = []
        self.since: list[date] = []
        self.is_down = False

    def cash_entries(self, since: date) -> list[CashEntry]:
        """Return them."""
        self.since.append(since)
        if self.is_down:
            msg = "it does not answer"
            raise BrokerError(msg)
        return self.entries


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[Ledger]:
    """A ledger whose bot has bought 10 AAPL on the first day, and sold 4 and 2 on the next two."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as one:
        for number, (side, quantity) in enumerate([("buy", 10.0), ("sell", 4.0), ("sell", 2.0)]):
            at = NOW + number * DAY
            one.intend(OrderRecord(str(number), "b", at, "AAPL", side, "", quantity), at)
            one.settle(str(number), "filled", "x", quantity, 100.0, now=at)
        yield one


@pytest.mark.parametrize("units, before, part", [
    (None, None, 8.0),  # the account is the strategy's alone
    (10, NOW + DAY, 8.0),  # all shares of that day were the strategy's; the instant itself belongs to what came later
    (20, NOW + DAY, 4.0),  # another ten were bought by hand
    (16, NOW + 2 * DAY, 3.0),
    (16, None, 2.0),
    (4, None, 8.0),
    (2, None, 8.0),  # never more than all of it
    (20, NOW, 0.0),  # none were held yet
    (-20, None, 0.0),  # paid by a short position that is not the strategy's
    (0, None, 0.0),
])  # fmt: skip
def test_the_strategys_part(ledger: Ledger, units: int | None, before: datetime | None, part: float) -> None:
    """As large as its part of the shares that were held before the ex-date."""
    entry = CashEntry("d", "dividend", "AAPL", Decimal(8), None if units is None else Decimal(units), before)
    assert float(own_part(entry, ledger)) == part


@pytest.mark.parametrize(
    "held, units, part", [(0.5, 1, "0.061728"), (0.5, "0.5", "0.1234567"), (0.5, "0.4", "0.1234567")]
)
def test_a_part_of_coins(tmp_path: Path, held: float, units: int | str, part: str) -> None:
    """Less than one unit is held; a part is rounded to a millionth, and the whole is not."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.hold({"BTC/USD": held})
        entry = CashEntry("d", "dividend", "BTC/USD", Decimal("0.1234567"), Decimal(units))
        assert own_part(entry, ledger) == Decimal(part)


def test_a_short_positions_dividend(tmp_path: Path) -> None:
    """Half of the shares that were sold short were the strategy's: it pays half."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        ledger.hold({"AAPL": -5.0})
        assert own_part(CashEntry("d", "dividend", "AAPL", Decimal(-8), Decimal(-10)), ledger) == -4


def test_an_entry_is_booked_once_and_its_change_too(ledger: Ledger) -> None:
    """A dividend that the broker corrects adds the difference; another currency's flows are its own."""
    broker, start = APayingBroker(), ledger.flows()[""]
    for hours, amount, told in ((0, 8, 8.0), (1, 8, None), (2, 9, 1.0), (3, 9, None)):
        broker.entries = [CashEntry("d", "dividend", "AAPL", Decimal(amount))]
        booked = book_new(broker, ledger, NOW + timedelta(hours=hours))
        assert booked == ([{"kind": "dividend", "symbol": "AAPL", "amount": told}] if told else [])
    assert ledger.flows()[""] == start + 9
    broker.entries = [CashEntry("e", "borrowing", "BTC/USDT", Decimal("-0.5"))]
    assert book_new(broker, ledger, NOW + timedelta(hours=4))
    assert ledger.flows() == {"": start + 9, "USDT": Decimal("-0.5")}


def test_the_strategys_part_is_what_is_booked(ledger: Ledger) -> None:
    """Half of the shares were bought by hand: half of the dividend is the strategy's."""
    broker = APayingBroker()
    broker.entries = [CashEntry("d", "dividend", "AAPL", Decimal(8), Decimal(8))]
    assert book_new(broker, ledger, NOW) == [{"kind": "dividend", "symbol": "AAPL", "amount": 4.0}]


def test_how_far_back_the_broker_is_asked(ledger: Ledger) -> None:
    """What was paid before the first question is no news; later, entries of the last week may come late."""
    broker = APayingBroker()
    for days in (0, 3, 30):
        book_new(broker, ledger, NOW + days * DAY)
    assert broker.since == [NOW.date(), NOW.date(), NOW.date()]
    book_new(broker, ledger, NOW + 40 * DAY)
    assert broker.since[-1] == NOW.date() + 23 * DAY


def test_the_day_of_a_question_is_utcs(ledger: Ledger, monkeypatch: pytest.MonkeyPatch) -> None:
    """Brokers tell days in UTC, and the machine may be anywhere."""
    broker = APayingBroker()
    monkeypatch.setenv("TZ", "Pacific/Auckland")
    time.tzset()
    try:
        for days in (0, 30, 31):
            book_new(broker, ledger, NOW + days * DAY)
    finally:
        monkeypatch.undo()
        time.tzset()
    assert broker.since == [NOW.date(), NOW.date(), NOW.date() + 23 * DAY]


def test_how_often_the_broker_is_asked(ledger: Ledger) -> None:
    """As often as it says; a clock that was ahead keeps it from nothing, and what failed is asked again at once."""
    broker = APayingBroker()
    for minutes in (0, 0, 59, 60, 30):
        book_new(broker, ledger, NOW + timedelta(minutes=minutes))
    assert len(broker.since) == 3
    broker.is_down = True
    later = NOW + DAY
    assert [book_new(broker, ledger, later), book_new(broker, ledger, later)] == [[], []]
    assert len(broker.since) == 5


def test_a_broker_that_tells_of_none(ledger: Ledger) -> None:
    """There is nothing to book."""
    assert book_new(ABroker(), ledger, NOW) == []
    assert ledger.fact("cash entries asked at") is None
