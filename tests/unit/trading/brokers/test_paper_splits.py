"""Splits on the paper account: what is held when a split's day begins in New York is split, whenever that is told."""

import sqlite3
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from openbell.ledger import Ledger, OrderRecord
from openbell.order_terms import Terms
from openbell.trading.brokers import Order
from openbell.trading.brokers.paper import FILE, PaperBroker
from openbell.trading.corporate_actions import CorporateAction
from openbell.trading.markets import MarketError
from openbell.trading.reconciliation import apply_corporate_actions, differences
from tests.unit.trading.brokers.test_paper_sessions import _Always

FRIDAY, MONDAY, TUESDAY = (datetime(2026, 11, day, 16, tzinfo=UTC) for day in (20, 23, 24))
SUNDAY_EVENING = datetime(2026, 11, 23, 2, 0, tzinfo=UTC)  # 21:00 in New York, on the day before the split


class SplittingMarket(_Always):
    """A market whose share was split ten to one on 2026-11-23; the price of the day is set by hand."""

    current = 1000.0
    asked = 0
    is_down = False  # it does not answer questions about splits

    def price(self, symbol: str, at: datetime) -> float:
        """Return the price."""
        return self.current

    def corporate_actions(self, symbols: Iterable[str], since: date, at: datetime) -> list[CorporateAction]:
        """Tell of the split from its day on."""
        self.asked += 1
        if self.is_down:
            raise MarketError(since)
        action = CorporateAction("AAPL", date(2026, 11, 23), Decimal(10))
        return [action] if since <= action.day <= at.date() and "AAPL" in symbols else []


def test_a_split_makes_more_shares_of_the_same_cost(tmp_path: Path) -> None:
    """Ten shares at 1000 are a hundred at 100, once, and the account is worth what it was (T16)."""
    market = SplittingMarket()
    PaperBroker(tmp_path, market, FRIDAY).submit(Order("b", "AAPL", "buy", 10))
    market.current = 100.0
    for at in (MONDAY, MONDAY, TUESDAY):
        broker = PaperBroker(tmp_path, market, at)
        (position,) = broker.positions().values()
        assert (position.quantity, position.average_price) == (100.0, 100.0)
        assert broker.account().cash + position.quantity * market.current == 100_000.0
    told = broker.corporate_actions(["AAPL"], MONDAY.date())
    assert [(one.day, one.ratio) for one in told] == [(MONDAY.date(), Decimal(10))]
    assert market.asked == 2  # once a day


def test_what_was_bought_after_a_split_is_not_split(tmp_path: Path) -> None:
    """The first share is bought on the day itself, at the new price."""
    market = SplittingMarket()
    PaperBroker(tmp_path, market, MONDAY).submit(Order("b", "AAPL", "buy", 10))
    for at in (MONDAY, TUESDAY):
        assert PaperBroker(tmp_path, market, at).positions()["AAPL"].quantity == 10.0


def test_an_order_that_waits_for_a_price_from_before_a_split_ends(tmp_path: Path) -> None:
    """A stop at 900 would sell at once at 100."""
    market = SplittingMarket()
    broker = PaperBroker(tmp_path, market, FRIDAY)
    broker.submit(Order("b", "AAPL", "buy", 10))
    broker.submit(Order("s", "AAPL", "sell", 10, terms=Terms(stop=900.0, time_in_force="gtc")))
    market.current = 100.0
    ended = PaperBroker(tmp_path, market, MONDAY).find("s")
    assert ended is not None
    assert (ended.status, ended.filled_quantity) == ("cancelled", 0.0)
    assert "split" in ended.reason


def test_the_books_follow_the_paper_accounts_split(tmp_path: Path) -> None:
    """Reconciliation takes it up as that of a broker: nothing differs, and the cost stays."""
    market = SplittingMarket()
    PaperBroker(tmp_path, market, FRIDAY).submit(Order("b", "AAPL", "buy", 10))
    ledger = Ledger(tmp_path / "ledger.sqlite")
    ledger.intend(OrderRecord("b", "bot", FRIDAY, "AAPL", "buy", "", 10), FRIDAY)
    ledger.settle("b", "filled", "1", 10, 1000.0, now=FRIDAY)
    market.current = 100.0
    found = differences(PaperBroker(tmp_path, market, MONDAY), ledger, ["AAPL"], MONDAY)
    assert [(one.ours, one.theirs) for one in found] == [(10.0, 100.0)]
    assert [
        one.ratio for one in apply_corporate_actions(PaperBroker(tmp_path, market, MONDAY), ledger, found, MONDAY)
    ] == [Decimal(10)]
    position = ledger.position("bot", "AAPL")
    assert (position.quantity, position.cost) == (Decimal(100), Decimal(10_000))
    ledger.close()


def test_an_order_of_the_evening_before_keeps_no_split_away(tmp_path: Path) -> None:
    """It is Monday already in UTC: the order that waits has ended, and what was held on Friday is split."""
    market = SplittingMarket()
    PaperBroker(tmp_path, market, FRIDAY).submit(Order("b", "AAPL", "buy", 10))
    evening = PaperBroker(tmp_path, market, SUNDAY_EVENING)
    evening.submit(Order("w", "AAPL", "buy", 5, terms=Terms(limit=900.0, time_in_force="gtc")))
    market.current = 100.0
    broker = PaperBroker(tmp_path, market, MONDAY)
    assert broker.positions()["AAPL"].quantity == 100.0
    waited = broker.find("w")
    assert waited is not None
    assert (waited.status, waited.filled_quantity) == ("cancelled", 0.0)


@pytest.mark.parametrize("side, quantity, held", [("buy", 5, 105.0), ("sell", 4, 96.0), ("buy", 1e9, 100.0)])
def test_a_split_that_is_told_late_is_of_what_was_held_then(
    tmp_path: Path, side: str, quantity: float, held: float
) -> None:
    """The market did not answer on the day; what was traded on it had the new price already, and a rejected order counts for nothing."""
    market = SplittingMarket()
    PaperBroker(tmp_path, market, FRIDAY).submit(Order("b", "AAPL", "buy", 10))
    market.current, market.is_down = 100.0, True
    PaperBroker(tmp_path, market, MONDAY).submit(Order("m", "AAPL", side, quantity))
    market.is_down = False
    for at in (MONDAY + timedelta(hours=1), TUESDAY):
        assert PaperBroker(tmp_path, market, at).positions()["AAPL"].quantity == held


def test_a_split_told_days_later_is_in_what_later_days_began_with(tmp_path: Path) -> None:
    """A dividend of the day after is paid for the new shares, not for those that were bought on it."""
    market = SplittingMarket()
    PaperBroker(tmp_path, market, FRIDAY).submit(Order("b", "AAPL", "buy", 10))
    market.current, market.is_down = 100.0, True
    PaperBroker(tmp_path, market, TUESDAY).submit(Order("t", "AAPL", "buy", 7))
    market.is_down = False
    (tmp_path / "corporate-actions.csv").write_text("symbol,day,ratio,cash\nAAPL,2026-11-24,,0.5\n")
    broker = PaperBroker(tmp_path, market, TUESDAY + timedelta(hours=1), strategy=tmp_path)
    assert broker.positions()["AAPL"].quantity == 107.0
    assert broker.account().cash == 100_000 - 10_000 - 700 + 50


def test_a_position_that_was_closed_is_forgotten(tmp_path: Path) -> None:
    """What is bought on the split's day is not split, though the same share was held until that day."""
    market = SplittingMarket()
    PaperBroker(tmp_path, market, FRIDAY).submit(Order("b", "AAPL", "buy", 10))
    market.current, market.is_down = 100.0, True
    PaperBroker(tmp_path, market, MONDAY).submit(Order("s", "AAPL", "sell", 10))
    PaperBroker(tmp_path, market, MONDAY).submit(Order("c", "AAPL", "buy", 3))
    market.is_down = False
    assert PaperBroker(tmp_path, market, TUESDAY).positions()["AAPL"].quantity == 3.0


@pytest.mark.parametrize("newest, held", [(FRIDAY, 100.0), (MONDAY, 10.0)])
@pytest.mark.parametrize("trades", [False, True])
def test_an_account_of_an_older_version(tmp_path: Path, newest: datetime, held: float, *, trades: bool) -> None:
    """It kept only when the newest order was placed: a split that is not later is left out, as before."""
    market = SplittingMarket()
    PaperBroker(tmp_path, market, newest).submit(Order("b", "AAPL", "buy", 10))
    with closing(sqlite3.connect(tmp_path / FILE)) as raw, raw:
        raw.execute("DROP TABLE beginnings")
    market.current, more = 100.0, 0.0
    if trades:
        market.is_down, more = True, 1.0
        PaperBroker(tmp_path, market, TUESDAY).submit(Order("t", "AAPL", "buy", 1))
        market.is_down = False
    assert PaperBroker(tmp_path, market, TUESDAY).positions()["AAPL"].quantity == held + more
