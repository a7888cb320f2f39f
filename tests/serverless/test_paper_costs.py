"""Splits, dividends and borrowing of the paper account in PostgreSQL: the same statements as in its file."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from openbell.costs import Costs
from openbell.trading.brokers import Order
from openbell.trading.brokers.postgres_paper import PostgresPaperBroker
from tests.unit.trading.brokers.test_paper_cash import _Paying
from tests.unit.trading.brokers.test_paper_splits import SplittingMarket


def test_a_short_position_is_borrowed_and_split(url: str) -> None:
    """Ten short at 1000 become a hundred at 100, and cost 3.65 per cent a year."""
    market, begin = SplittingMarket(), datetime(2026, 11, 20, 16, tzinfo=UTC)
    costs = Costs(borrow=Decimal("3.65"))

    def broker(days: int) -> PostgresPaperBroker:
        return PostgresPaperBroker(url, "s", market, begin + timedelta(days=days), costs, short=True)

    for days, price in ((0, 1000.0), (3, 100.0)):
        market.current = price
        one = broker(days)
        if not days:
            one.submit(Order("s", "AAPL", "sell", 10.0))
        one.positions()
        one.close()
    last = broker(3)
    (position,) = last.positions().values()
    assert (position.quantity, position.average_price) == (-100.0, 100.0)
    assert last.account().cash == pytest.approx(110_000 - 3 * 1.0)
    last.close()


def test_a_dividend_is_booked_once(url: str) -> None:
    """What was held before its day gets it; the account tells of it, and of nothing else."""
    market, begin = _Paying(100.0), datetime(2026, 11, 20, 16, tzinfo=UTC)
    for days in (0, 3, 4):
        one = PostgresPaperBroker(url, "d", market, begin + timedelta(days=days))
        if not days:
            one.submit(Order("o", "AAPL", "buy", 10.0))
        cash = one.account().cash
        told = [(entry.kind, entry.symbol, entry.amount) for entry in one.cash_entries(begin.date())]
        one.close()
    assert cash == pytest.approx(99_000 + 2.6)
    assert told == [("dividend", "AAPL", Decimal("2.6"))]
