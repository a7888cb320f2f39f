"""The usual figures of a backtest, from its curve. Pure.

Returns are those from day to day, or from slot to slot where slots are further apart; they are made annual with the number
of them in a year of the backtest itself. Where a span is too short for a figure to mean anything, the figure is None.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import accumulate, pairwise
from math import dist, fsum, sqrt
from typing import NamedTuple

from openbell.backtest.record import Point, daily

YEAR = timedelta(days=365.25)
FEWEST_RETURNS = 12  # below, a ratio of return and risk says nothing
SHORTEST = timedelta(days=28)  # as above
FEWEST_FOR_TAIL = 100  # below, the worst of them are too few to have an average
TAIL = 0.05  # the part of the returns that are the worst
WINDOW = timedelta(days=182)  # of rolling figures
EXACT = 1e-9  # of a sum of squares: what is below it has lost its digits to the sum


class Figures(NamedTuple):
    """What a curve came to. Shares of one: 0.1 is ten percent. None where there is too little to say."""

    total_return: float
    annual_return: float | None
    volatility: float | None  # annual standard deviation of the returns
    sharpe: float | None  # annual, without a riskless rate
    sortino: float | None  # as sharpe, against downward deviation only
    calmar: float | None  # annual return for each unit of the deepest drawdown
    drawdown: float  # the deepest, below zero
    drawdown_days: float  # the longest time below a peak
    value_at_risk: float | None = None  # the return that one in twenty is below
    expected_shortfall: float | None = None  # the average of those


class Returns(NamedTuple):
    """The returns of a curve from day to day."""

    at: tuple[datetime, ...]  # when each return was complete
    values: tuple[float, ...]
    in_a_year: float  # how many of them a year has; 0 where that cannot be told

    @property
    def tells(self) -> bool:
        """Tell whether they are enough for a ratio of return and risk."""
        return len(self.values) >= FEWEST_RETURNS and self.at[-1] - self.at[0] >= SHORTEST


def returns_of(curve: Sequence[Point], start: float) -> Returns:
    """Return the returns of a curve that began with `start`."""
    days = daily(curve)
    values = [start, *(point.equity for point in days)]
    found = [after / before - 1 if before > 0 else 0.0 for before, after in pairwise(values)]
    years = (days[-1].at - days[0].at) / YEAR if days else 0.0
    return Returns(tuple(point.at for point in days), tuple(found), (len(days) - 1) / years if years > 0 else 0.0)


def figures(curve: Sequence[Point], start: float, returns: Returns | None = None) -> Figures:
    """Return the figures of a curve that began with `start`. returns: its own, where they are known already."""
    if not curve:
        return Figures(0.0, None, None, None, None, None, 0.0, 0.0)
    one = returns or returns_of(curve, start)
    growth = curve[-1].equity / start
    years = (curve[-1].at - curve[0].at) / YEAR
    annual = growth ** (1 / years) - 1 if years > 0.1 and growth > 0 else None
    depth, length = _deepest(curve, start)
    value_at_risk, shortfall = _tail(one.values)
    return Figures(
        total_return=growth - 1,
        annual_return=annual,
        volatility=volatility(one.values, one.in_a_year) if one.tells else None,
        sharpe=sharpe(one.values, one.in_a_year) if one.tells else None,
        sortino=_sortino(one.values, one.in_a_year) if one.tells else None,
        calmar=annual / -depth if annual is not None and depth and one.tells else None,
        drawdown=depth,
        drawdown_days=length / timedelta(days=1),
        value_at_risk=value_at_risk,
        expected_shortfall=shortfall,
    )


def _tail(returns: Sequence[float]) -> tuple[float | None, float | None]:
    """Return the return that one in twenty is below, between two of them if need be, and the average of those."""
    if len(returns) < FEWEST_FOR_TAIL:
        return None, None
    place = (len(returns) - 1) * TAIL
    tail = sorted(returns)[: int(place) + 2]
    after = tail.pop()
    return tail[-1] + (after - tail[-1]) * (place - int(place)), fmean(tail)


def fmean(values: Sequence[float]) -> float:
    """Return the mean; to load `statistics` takes longer than all figures of ten years."""
    return fsum(values) / len(values)


def volatility(returns: Sequence[float], in_a_year: float) -> float | None:
    """Return the annual standard deviation, or None where there is none."""
    return _volatility_and_sharpe(returns, in_a_year)[0]


def sharpe(returns: Sequence[float], in_a_year: float) -> float | None:
    """Return the annual Sharpe ratio without a riskless rate, or None where returns do not vary."""
    return _volatility_and_sharpe(returns, in_a_year)[1]


def _volatility_and_sharpe(returns: Sequence[float], in_a_year: float) -> tuple[float | None, float | None]:
    spread = stdev(returns) if len(returns) > 1 else 0.0
    return (spread * sqrt(in_a_year), fmean(returns) / spread * sqrt(in_a_year)) if spread else (None, None)


def stdev(values: Sequence[float]) -> float:
    """Return the standard deviation of a sample; that of `statistics` takes a hundred times as long for the same figure."""
    if min(values) == max(values):
        return 0.0  # their mean may differ from all of them by a rounding
    return dist(values, [fmean(values)] * len(values)) / sqrt(len(values) - 1)


def _sortino(returns: Sequence[float], in_a_year: float) -> float | None:
    downward = sqrt(fmean([min(one, 0.0) ** 2 for one in returns]))
    return fmean(returns) / downward * sqrt(in_a_year) if downward else None


class Benchmark(NamedTuple):
    """How returns went with a benchmark's."""

    beta: float
    alpha: float  # annual
    correlation: float


def against(own: Returns, held: Returns) -> Benchmark | None:
    """Return how returns went with a benchmark's at the same instants; None where that cannot be told."""
    if not own.tells:
        return None
    mean, other_mean = fmean(own.values), fmean(held.values)
    pairs = zip(own.values, held.values, strict=True)
    covariance = sum([(one - mean) * (two - other_mean) for one, two in pairs]) / (len(held.values) - 1)
    spread, other_spread = stdev(own.values), stdev(held.values)
    if not spread or not other_spread:
        return None
    beta = covariance / other_spread**2
    alpha: float = (1 + mean - beta * other_mean) ** own.in_a_year - 1
    return Benchmark(beta, alpha, covariance / spread / other_spread)


def drawdowns(curve: Sequence[Point], start: float) -> list[Point]:
    """Return how far below its highest point so far the curve lies: shares of one, none above 0."""
    peak, found = start, []
    for point in curve:
        peak = max(peak, point.equity)
        found.append(Point(point.at, point.equity / peak - 1))
    return found


class Drawdown(NamedTuple):
    """A time below a peak. `recovered_at` is None while the curve has not come back."""

    began_at: datetime
    lowest_at: datetime
    recovered_at: datetime | None
    depth: float


def drawdown_periods(curve: Sequence[Point], start: float) -> list[Drawdown]:
    """Return the times below a peak, the deepest first."""
    found: list[Drawdown] = []
    peak, began, lowest = start, curve[0].at if curve else None, None
    for point in curve:
        if point.equity >= peak:
            if lowest is not None and began is not None:
                found.append(Drawdown(began, lowest.at, point.at, lowest.equity / peak - 1))
            peak, began, lowest = point.equity, point.at, None
        elif lowest is None or point.equity < lowest.equity:
            lowest = point
    if lowest is not None and began is not None:
        found.append(Drawdown(began, lowest.at, None, lowest.equity / peak - 1))
    return sorted(found, key=lambda one: one.depth)


def _deepest(curve: Sequence[Point], start: float) -> tuple[float, timedelta]:
    periods = drawdown_periods(curve, start)
    last = curve[-1].at
    longest = max(((one.recovered_at or last) - one.began_at for one in periods), default=timedelta(0))
    return (periods[0].depth if periods else 0.0), longest


class Rolling(NamedTuple):
    """Figures of the half year before an instant."""

    at: datetime
    volatility: float | None
    sharpe: float | None


def rolling(found: Returns) -> list[Rolling]:
    """Return volatility and Sharpe ratio of each half year; none where the span has no half year, or too few returns."""
    size = round(found.in_a_year * (WINDOW / YEAR))
    if size < FEWEST_RETURNS:
        return []
    year = sqrt(found.in_a_year)
    # Each window differs from the one before by a value that leaves it and one that comes: sums are carried on.
    sums = list(accumulate(found.values, initial=0.0))
    squares = list(accumulate([value * value for value in found.values], initial=0.0))
    rows: list[Rolling] = []
    for end in range(size, len(found.values) + 1):
        mean, square = (sums[end] - sums[end - size]) / size, squares[end] - squares[end - size]
        spread_squared = (square - size * mean * mean) / (size - 1)
        # Where the sums have no digits left for it, the values themselves tell.
        if spread_squared <= EXACT * squares[end]:
            rows.append(
                Rolling(found.at[end - 1], *_volatility_and_sharpe(found.values[end - size : end], found.in_a_year))
            )
        else:
            spread = sqrt(spread_squared)
            rows.append(Rolling(found.at[end - 1], spread * year, mean / spread * year))
    return rows


def by_month(curve: Sequence[Point], start: float) -> list[tuple[int, list[float | None]]]:
    """Return for each year the twelve months' returns and the year's; None where the curve has no point."""
    ends: dict[tuple[int, int], float] = {}
    for point in curve:
        ends[point.at.year, point.at.month] = point.equity
    rows: dict[int, list[float | None]] = {}
    before = start
    for (year, month), end in ends.items():
        row = rows.setdefault(year, [None] * 12)
        row[month - 1] = end / before - 1 if before > 0 else None
        before = end
    found: list[tuple[int, list[float | None]]] = []
    for year, row in rows.items():
        whole = 1.0
        for value in row:
            whole *= 1 + (value or 0.0)
        found.append((year, [*row, whole - 1]))
    return found
