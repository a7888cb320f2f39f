"""The usual figures of a backtest, from its equity and its fills. Pure.

Returns are those between two slots; they are made annual with the number of slots in a year of the backtest itself.
"""

from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from math import sqrt
from statistics import fmean, stdev

from openbell.backtest.account import Fill
from openbell.backtest.engine import Point

YEAR = timedelta(days=365.25)
FEWEST_RETURNS = 12  # below, a ratio of return and risk says nothing
SHORTEST = timedelta(days=28)  # as above


@dataclass(frozen=True)
class Trade:
    """A round trip: what was bought first is sold first. `profit` is after commissions, in the account's currency."""

    bot: str
    symbol: str
    opened_at: datetime
    closed_at: datetime
    quantity: float
    bought_at: float  # price
    sold_at: float  # price
    profit: float


@dataclass(frozen=True)
class Figures:
    """What an equity curve came to. Shares of one: 0.1 is ten percent. None where there is too little to say."""

    total_return: float
    annual_return: float | None
    volatility: float | None  # annual standard deviation of the returns
    sharpe: float | None  # annual, without a riskless rate
    sortino: float | None  # as sharpe, against downward deviation only
    drawdown: float  # the deepest, below zero
    drawdown_days: float  # the longest time below a peak


def figures(curve: Sequence[Point], start: float) -> Figures:
    """Return the figures of a curve that began with `start`."""
    if not curve:
        return Figures(0.0, None, None, None, None, 0.0, 0.0)
    values = [start, *(point.equity for point in curve)]
    returns = [after / before - 1 for before, after in pairwise(values) if before > 0]
    span = curve[-1].at - curve[0].at
    years = span / YEAR
    growth = values[-1] / start
    annual = growth ** (1 / years) - 1 if years > 0.1 and growth > 0 else None
    in_a_year = (len(curve) - 1) / years if years > 0 else 0.0
    tells = len(returns) >= FEWEST_RETURNS and span >= SHORTEST
    spread = stdev(returns) if tells else 0.0
    downward = sqrt(fmean(min(one, 0.0) ** 2 for one in returns)) if tells else 0.0
    mean = fmean(returns) if returns else 0.0
    depth, length = _drawdown(curve, start)
    return Figures(
        total_return=growth - 1,
        annual_return=annual,
        volatility=spread * sqrt(in_a_year) if spread else None,
        sharpe=mean / spread * sqrt(in_a_year) if spread else None,
        sortino=mean / downward * sqrt(in_a_year) if downward else None,
        drawdown=depth,
        drawdown_days=length / timedelta(days=1),
    )


def drawdowns(curve: Iterable[Point], start: float) -> list[Point]:
    """Return at each point how far the equity is below its peak so far: 0 or below."""
    peak, found = start, []
    for point in curve:
        peak = max(peak, point.equity)
        found.append(Point(point.at, point.equity / peak - 1))
    return found


def _drawdown(curve: Sequence[Point], start: float) -> tuple[float, timedelta]:
    depth, longest, peak, peak_at = 0.0, timedelta(0), start, curve[0].at
    for point in curve:
        if point.equity >= peak:
            peak, peak_at = point.equity, point.at
        depth = min(depth, point.equity / peak - 1)
        longest = max(longest, point.at - peak_at)
    return depth, longest


def trades(fills: Iterable[Fill]) -> list[Trade]:
    """Return the round trips: each sale is matched with the oldest purchases of the same bot that are still open."""
    open_: dict[tuple[str, str], deque[Fill]] = defaultdict(deque)
    found: list[Trade] = []
    for fill in fills:
        lots = open_[fill.bot, fill.symbol]
        if fill.quantity > 0:
            lots.append(fill)
            continue
        left = -fill.quantity
        while left > 1e-12 and lots:
            lot = lots.popleft()
            closed = min(lot.quantity, left)
            share_of_lot, share_of_sale = closed / lot.quantity, closed / -fill.quantity
            profit = closed * (fill.price - lot.price)
            profit -= lot.commission * share_of_lot + fill.commission * share_of_sale
            found.append(Trade(fill.bot, fill.symbol, lot.at, fill.at, closed, lot.price, fill.price, profit))
            if lot.quantity - closed > 1e-12:
                rest = lot.quantity - closed
                lots.appendleft(
                    Fill(lot.at, lot.bot, lot.symbol, rest, lot.price, lot.commission * rest / lot.quantity)
                )
            left -= closed
    return found


@dataclass(frozen=True)
class TradeFigures:
    """What the round trips came to."""

    count: int
    won: float | None  # share
    average: float | None  # profit of one
    profit_factor: float | None  # what was won for each unit that was lost


def trade_figures(found: Sequence[Trade]) -> TradeFigures:
    """Return the figures of round trips."""
    if not found:
        return TradeFigures(0, None, None, None)
    gained = sum(trade.profit for trade in found if trade.profit > 0)
    lost = -sum(trade.profit for trade in found if trade.profit < 0)
    return TradeFigures(
        len(found),
        sum(trade.profit > 0 for trade in found) / len(found),
        sum(trade.profit for trade in found) / len(found),
        gained / lost if lost else None,
    )
