"""The figures of a backtest, on curves that can be counted by hand, and beside those of empyrical."""

import pickle
import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from importlib import import_module
from types import ModuleType

import numpy as np
import pytest

from openbell.backtest.figures import (
    Figures,
    against,
    by_month,
    drawdown_periods,
    drawdowns,
    figures,
    returns_of,
    rolling,
)
from openbell.backtest.record import MOST_POINTS, Curve, Point, Rows

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


def test_months_and_years() -> None:
    """A month's return is from the month before; a year's is all of its months."""
    monthly = curve(110, 121, 121, step=timedelta(days=31))
    ((year, row),) = by_month(monthly, 100)
    assert year == 2010
    assert [None if value is None else round(value, 3) for value in row[:4]] == [0.1, 0.1, 0.0, None]
    assert row[-1] == pytest.approx(0.21)


def test_a_few_hours_have_no_ratio_of_return_and_risk() -> None:
    """Four hourly points: a return, and neither a Sharpe ratio nor a volatility."""
    found = figures(curve(100, 101, 101.5, 103, step=timedelta(hours=1)), 100)
    assert found.total_return == pytest.approx(0.03)
    assert (found.annual_return, found.volatility, found.sharpe, found.sortino) == (None, None, None, None)


def random_curve(seed: int) -> list[Point]:
    """Return a curve of a thousand days."""
    return random_curves(seed)[0]


def random_curves(seed: int) -> tuple[list[Point], list[Point]]:
    """Return a curve of a thousand days, and that of a benchmark that goes with it in part."""
    chance = random.Random(seed)
    equity = held = 100.0
    found: tuple[list[Point], list[Point]] = [], []
    for number in range(1_000):
        for points, worth in zip(found, (equity, held), strict=True):
            points.append(Point(START + timedelta(days=number), worth))
        common = chance.gauss(0.0003, 0.01)
        equity *= 1 + 0.5 * common + chance.gauss(0.0002, 0.006)
        held *= 1 + common
    return found


def empyrical() -> ModuleType:
    """Return the library, loaded where it is used: it loads SciPy, and every worker collects this file."""
    return import_module("empyrical")


Oracle = Callable[[np.ndarray, float], float]
ORACLES: dict[str, Oracle] = {
    "total_return": lambda returns, _: empyrical().cum_returns_final(returns),
    # The first of n returns is that of the first slot itself: n - 1 of them are the span.
    "annual_return": lambda returns, year: empyrical().cagr(returns[1:], annualization=year),
    "volatility": lambda returns, year: empyrical().annual_volatility(returns, annualization=year),
    "sharpe": lambda returns, year: empyrical().sharpe_ratio(returns, annualization=year),
    "sortino": lambda returns, year: empyrical().sortino_ratio(returns, annualization=year),
    "calmar": lambda returns, year: empyrical().calmar_ratio(returns[1:], annualization=year),
    "drawdown": lambda returns, _: empyrical().max_drawdown(returns),
    "value_at_risk": lambda returns, _: empyrical().value_at_risk(returns),
    "expected_shortfall": lambda returns, _: empyrical().conditional_value_at_risk(returns),
}


@pytest.mark.parametrize("name", ORACLES)
@pytest.mark.parametrize("seed", range(5))
def test_figures_are_those_of_empyrical(seed: int, name: str) -> None:
    """On the same returns, with as many of them in a year."""
    curve = random_curve(seed)
    found = returns_of(curve, 100.0)
    wanted = ORACLES[name](np.array(found.values), found.in_a_year)
    assert getattr(figures(curve, 100.0), name) == pytest.approx(wanted, rel=1e-9)


@pytest.mark.parametrize("seed", range(5))
def test_beta_and_alpha_are_those_of_empyrical(seed: int) -> None:
    """Against what was held."""
    curve, held = random_curves(seed)
    own, other = returns_of(curve, 100.0), returns_of(held, 100.0)
    alpha, beta = empyrical().alpha_beta(np.array(own.values), np.array(other.values), annualization=own.in_a_year)
    found = against(own, other)
    assert found is not None
    assert [found.alpha, found.beta] == pytest.approx([alpha, beta])
    assert found.correlation == pytest.approx(np.corrcoef(own.values, other.values)[0, 1])


def test_rolling_figures_are_those_of_empyrical() -> None:
    """Each of the half year before it."""
    own = returns_of(random_curve(7), 100.0)
    size = round(own.in_a_year * 182 / 365.25)
    found = rolling(own)
    values = np.array(own.values)
    sharpe = empyrical().roll_sharpe_ratio(values, window=size, annualization=own.in_a_year)
    spread = empyrical().roll_annual_volatility(values, window=size, annualization=own.in_a_year)
    assert [one.sharpe for one in found] == pytest.approx(list(sharpe))
    assert [one.volatility for one in found] == pytest.approx(list(spread))
    assert found[-1].at == own.at[-1]
    assert rolling(returns_of(random_curve(7)[:60], 100.0)) == []


def test_many_slots_a_day_have_the_figures_of_days() -> None:
    """A volatility from minute to minute is none of a year's."""
    days = random_curve(3)[:200]
    slots = [Point(point.at - timedelta(minutes=15 * n), point.equity) for point in days for n in range(20, -1, -1)]
    assert figures(slots, 100.0).sharpe == pytest.approx(figures(days, 100.0).sharpe, rel=0.01)


def test_times_below_a_peak() -> None:
    """The deepest first; one that goes on has no end."""
    one, two = drawdown_periods(curve(100, 90, 95, 100, 120, 119), 100)
    assert one.depth == pytest.approx(-0.1)
    assert (one.lowest_at, one.recovered_at) == (START + timedelta(days=1), START + timedelta(days=3))
    assert (two.began_at, two.recovered_at) == (START + timedelta(days=4), None)


@pytest.mark.parametrize("name", [name for name in ORACLES if name not in {"total_return", "drawdown"}])
def test_a_short_span_has_few_figures(name: str) -> None:
    """Nine days say nothing of a year."""
    assert getattr(figures(curve(*(100 + n % 3 for n in range(9))), 100), name) is None


def _ends(found: Figures) -> tuple[float, float]:
    return found.drawdown, found.total_return


def test_a_curve_stays_small_and_loses_no_spike() -> None:
    """However many slots there are: each day keeps its lowest, highest and last point."""
    kept = Curve()
    equity, every = 100.0, []
    chance = random.Random(1)
    for number in range(4 * MOST_POINTS):
        equity *= 1 + chance.gauss(0, 0.0005)
        every.append(Point(START + number * timedelta(minutes=1), equity))
        kept.add(every[-1])
    assert len(kept.points()) <= MOST_POINTS
    assert list(_ends(figures(kept.points(), 100.0))) == pytest.approx(list(_ends(figures(every, 100.0))))
    assert figures(kept.points(), 100.0).sharpe == figures(every, 100.0).sharpe


POINTS = tuple(
    Point(START + number * timedelta(days=1, microseconds=1), number / 3, -number / 7) for number in range(3)
)


@pytest.mark.parametrize("rows", [Rows(POINTS), Rows([(at, one, two) for at, one, two in POINTS]), Rows[Point]()])
def test_rows_are_the_same_after_their_way_between_processes(rows: Rows[tuple[datetime, float, float]]) -> None:
    """To the microsecond, as the tuples that they were, also if there are none."""
    found = pickle.loads(pickle.dumps(rows))  # noqa: S301 - of this test
    assert (found, [type(one) for one in found]) == (rows, [type(one) for one in rows])
