"""Fills matched into round trips, counted by hand."""

from datetime import UTC, datetime, timedelta

import pytest

from openbell.backtest.account import Fill
from openbell.backtest.trades import trade_figures, trades

START = datetime(2010, 1, 4, 14, 35, tzinfo=UTC)


def fill(quantity: float, price: float, day: int, commission: float = 0.0) -> Fill:
    """Return a fill of AAPL."""
    return Fill(START + timedelta(days=day), "b", "AAPL", quantity, price, commission)


def test_what_was_bought_first_is_sold_first() -> None:
    """One sale that closes one purchase and half of the next; commissions are shared by quantity."""
    found = trades([fill(10, 100, 0, 1.0), fill(10, 110, 1, 2.0), fill(-15, 120, 2, 3.0)])
    assert [(trade.quantity, trade.entry) for trade in found] == [(10, 100), (5, 110)]
    assert [trade.profit for trade in found] == [pytest.approx(10 * 20 - 1 - 2), pytest.approx(5 * 10 - 1 - 1)]


def test_figures_of_trades() -> None:
    """Two won and one lost."""
    found = trade_figures(
        trades([fill(1, 10, 0), fill(-1, 13, 1), fill(1, 10, 2), fill(-1, 8, 3), fill(1, 1, 4), fill(-1, 2, 5)])
    )
    assert (found.count, found.profit_factor) == (3, 2.0)
    assert found.won == pytest.approx(2 / 3)
    assert found.average == pytest.approx(2 / 3)
    assert trade_figures([]).won is None


def test_a_short_position_is_a_trade_too() -> None:
    """Sold at 100 and bought back at 90, then turned over: what is bought beyond that is long."""
    found = trades([fill(-10, 100, 0), fill(15, 90, 1), fill(-5, 95, 2)])
    assert [one.quantity for one in found] == [-10, 5]
    assert [one.profit for one in found] == pytest.approx([100, 25])
    assert found[0].result == pytest.approx(0.1)


def test_a_trade_knows_why_it_began_and_ended() -> None:
    """The reasons of the two decisions."""
    buy = Fill(START, "b", "AAPL", 1, 10, 0.0, "rose")
    sell = Fill(START, "b", "AAPL", -1, 11, 0.0, "stop loss")
    (one,) = trades([buy, sell])
    assert (one.entry_reason, one.exit_reason) == ("rose", "stop loss")


def test_the_end_of_a_shares_prices_closes_it_for_every_bot() -> None:
    """A fill of no bot closes what all of them hold."""
    found = trades(
        [
            Fill(START, "a", "AAPL", 2, 10, 0.0),
            Fill(START, "b", "AAPL", 3, 12, 0.0),
            Fill(START, "", "AAPL", -5, 11, 0.0, "its prices ended"),
        ]
    )
    assert [(one.bot, one.quantity) for one in found] == [("a", 2), ("b", 3)]
    assert [one.profit for one in found] == pytest.approx([2, -3])
