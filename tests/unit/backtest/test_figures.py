"""The figures of a backtest, on curves and trades that can be counted by hand."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from openbell.backtest.account import Fill
from openbell.backtest.engine import Point
from openbell.backtest.figures import drawdowns, figures, trade_figures, trades
from openbell.backtest.plot import lines
from openbell.backtest.report import by_month

START = datetime(2010, 1, 4, 14, 35, tzinfo=UTC)


def curve(*values: float, step: timedelta = timedelta(days=1)) -> list[Point]:
    """Return a curve with a value a day."""
    return [Point(START + number * step, value) for number, value in enumerate(values)]


def test_return_and_drawdown() -> None:
    """From 100 to 120 with a fall from 150 to 75 on the way, and four days below the peak."""
    found = figures(curve(100, 150, 75, 90, 100, 120), 100)
    assert found.total_return == pytest.approx(0.2)
    assert found.drawdown == pytest.approx(-0.5)
    assert found.drawdown_days == 4


def test_annual_figures_use_the_curves_own_slots() -> None:
    """A curve that grows by 1% a month for a year grows by some 12.7%, without any spread."""
    monthly = curve(*(100 * 1.01**n for n in range(13)), step=timedelta(days=365.25 / 12))
    found = figures(monthly, 100)
    assert found.annual_return == pytest.approx(1.01**12 - 1)
    assert found.volatility == pytest.approx(0.01, abs=0.01)
    assert found.sortino is None


def test_too_little_to_say() -> None:
    """No slot, one slot, or a flat line: no invented ratios."""
    assert figures([], 100).sharpe is None
    assert figures(curve(100), 100).annual_return is None
    flat = figures(curve(100, 100, 100, 100), 100)
    assert (flat.sharpe, flat.sortino, flat.volatility, flat.drawdown) == (None, None, None, 0.0)


def test_drawdowns_follow_the_peak() -> None:
    """Below the highest point so far, the money at the beginning included."""
    assert [round(point.equity, 3) for point in drawdowns(curve(90, 110, 99), 100)] == [-0.1, 0.0, -0.1]


def fill(quantity: float, price: float, day: int, commission: float = 0.0) -> Fill:
    """Return a fill of AAPL."""
    return Fill(START + timedelta(days=day), "b", "AAPL", quantity, price, commission)


def test_what_was_bought_first_is_sold_first() -> None:
    """One sale that closes one purchase and half of the next; commissions are shared by quantity."""
    found = trades([fill(10, 100, 0, 1.0), fill(10, 110, 1, 2.0), fill(-15, 120, 2, 3.0)])
    assert [(trade.quantity, trade.bought_at) for trade in found] == [(10, 100), (5, 110)]
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


def test_months_and_years() -> None:
    """A month's return is from the month before; a year's is all of its months."""
    monthly = curve(110, 121, 121, step=timedelta(days=31))
    ((year, row),) = by_month(monthly, 100)
    assert year == 2010
    assert [None if value is None else round(value, 3) for value in row[:4]] == [0.1, 0.1, 0.0, None]
    assert row[-1] == pytest.approx(0.21)


def test_a_plot_keeps_every_spike() -> None:
    """However many points there are, the highest and the lowest of each stretch are drawn."""
    values = [100.0] * 50_000
    values[31_007], values[40_011] = 180.0, 20.0
    drawn = lines("x", [("y", curve(*values, step=timedelta(minutes=1)))])
    assert len(drawn) < 60_000
    heights = [float(pair.split(",")[1]) for pair in drawn.partition('points="')[2].partition('"')[0].split()]
    assert len({round(height) for height in heights}) == 3


def test_a_plot_names_what_it_shows_and_escapes_it() -> None:
    """For those who cannot see it."""
    assert 'aria-label="a &lt;b&gt;"' in lines("a <b>", [("x", curve(1, 2))])
    assert lines("empty", [("x", [])]) == ""


def test_a_few_hours_have_no_ratio_of_return_and_risk() -> None:
    """Four hourly points: a return, and neither a Sharpe ratio nor a volatility."""
    found = figures(curve(100, 101, 101.5, 103, step=timedelta(hours=1)), 100)
    assert found.total_return == pytest.approx(0.03)
    assert (found.annual_return, found.volatility, found.sharpe, found.sortino) == (None, None, None, None)


def test_a_flat_drawdown_lies_at_the_top_of_its_axis() -> None:
    """Never below its peak: the axis ends at 0 %, and no label is a minus zero or above."""
    text = lines("Drawdown", [("one", drawdowns(curve(100, 100, 100), 100))], percent=True)
    labels = re.findall(r'class="end"[^>]*>([^<]*)<', text)
    assert labels[-1] == "0%"
    assert all(label.startswith("-") for label in labels[:-1])
