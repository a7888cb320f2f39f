"""Walk-forward: parameters are chosen on years, and judged on the months after them, which had no part in the choice."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from openbell.backtest.engine import Outcome, Setup
from openbell.backtest.figures import Figures, figures
from openbell.backtest.record import Point
from openbell.records import replace


class Lengths(NamedTuple):
    """How many months choose, and how many judge."""

    inside: int
    outside: int


class Window(NamedTuple):
    """A span that chooses, and the one after it that judges: after < slot <= middle < slot <= until."""

    after: datetime
    middle: datetime
    until: datetime


class Step(NamedTuple):
    """What one window came to."""

    window: Window
    params: Mapping[str, object]  # the best of its first span
    inside: Figures
    outside: Figures


class WalkForward(NamedTuple):
    """All windows, and the curve of those spans alone that had no part in a choice."""

    steps: tuple[Step, ...]
    curve: tuple[Point, ...]
    figures: Figures


def windows(after: datetime, until: datetime, lengths: Lengths) -> list[Window]:
    """Return the windows of a span, each later by the length that judges; the last one may judge a shorter time."""
    found: list[Window] = []
    begin = after
    while (middle := _later(begin, lengths.inside)) < until:
        found.append(Window(begin, middle, min(_later(middle, lengths.outside), until)))
        begin = _later(after, lengths.outside * len(found))
    return found


def choosing(setups: Sequence[Setup], found: Sequence[Window]) -> list[Setup]:
    """Return the backtests that choose: all combinations in each window, one window after the other."""
    return [replace(setup, after=one.after, until=one.middle, journal=None) for one in found for setup in setups]


def judging(
    setups: Sequence[Setup], found: Sequence[Window], outcomes: Sequence[Outcome]
) -> tuple[list[Setup], list[Figures]]:
    """Return the backtests that judge, with the figures that each was chosen by. outcomes: those of `choosing`."""
    chosen, inside = [], []
    for number, one in enumerate(found):
        rows = [
            figures(outcome.curve, setup.cash)
            for outcome, setup in zip(outcomes[number * len(setups) : (number + 1) * len(setups)], setups, strict=True)
        ]
        best = max(range(len(rows)), key=lambda index: _merit(rows[index]))
        chosen.append(replace(setups[best], after=one.middle, until=one.until, journal=None))
        inside.append(rows[best])
    return chosen, inside


def result(
    found: Sequence[Window], chosen: Sequence[Setup], inside: Sequence[Figures], outcomes: Sequence[Outcome]
) -> WalkForward:
    """Return what the windows came to. outcomes: those of the backtests that `judging` has returned."""
    steps, curve = [], []
    cash = worth = chosen[0].cash
    for window, setup, before, outcome in zip(found, chosen, inside, outcomes, strict=True):
        steps.append(Step(window, setup.params, before, figures(outcome.curve, setup.cash)))
        # Each begins with the same money: what it has made of it carries over.
        curve += [Point(one.at, one.equity / setup.cash * worth) for one in outcome.curve]
        worth = curve[-1].equity if curve else worth
    return WalkForward(tuple(steps), tuple(curve), figures(curve, cash))


def _merit(one: Figures) -> tuple[float, float]:
    return (float("-inf") if one.sharpe is None else one.sharpe), one.total_return


def _later(at: datetime, months: int) -> datetime:
    years, month = divmod(at.month - 1 + months, 12)
    year, month = at.year + years, month + 1
    last = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=at.tzinfo) - timedelta(days=1)
    return at.replace(year=year, month=month, day=min(at.day, last.day))
