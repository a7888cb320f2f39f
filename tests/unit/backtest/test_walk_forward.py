"""Walk-forward: what judges had no part in the choice."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.backtest.engine import Outcome, Setup
from openbell.backtest.record import Point
from openbell.backtest.walk_forward import Lengths, choosing, judging, result, windows

DAY = timedelta(days=1)


def at(year: int, month: int, day: int) -> datetime:
    """Return a midnight."""
    return datetime(year, month, day, tzinfo=UTC)


def test_windows_follow_each_other_and_judge_every_day_once() -> None:
    """Three years choose and six months judge; the last window judges what is left."""
    found = windows(at(2010, 1, 31), at(2014, 5, 1), Lengths(36, 6))
    assert [(one.after, one.middle, one.until) for one in found] == [
        (at(2010, 1, 31), at(2013, 1, 31), at(2013, 7, 31)),
        (at(2010, 7, 31), at(2013, 7, 31), at(2014, 1, 31)),
        (at(2011, 1, 31), at(2014, 1, 31), at(2014, 5, 1)),
    ]
    assert windows(at(2010, 1, 1), at(2012, 1, 1), Lengths(36, 6)) == []


def outcome(setup: Setup, growth: float) -> Outcome:
    """Return a backtest whose money grows by so much a day, with a wobble."""
    worth, curve = setup.cash, []
    for number in range((setup.until - setup.after) // DAY):
        worth *= 1 + growth + (0.001 if number % 2 else -0.001)
        curve.append(Point(setup.after + (number + 1) * DAY, worth))
    return Outcome("sample", ("SPY",), len(curve), tuple(curve), (), ())


def test_the_best_of_the_first_span_is_judged_on_the_next() -> None:
    """What a combination does in the span that judges cannot have chosen it, and money carries over."""
    setups = [Setup(Path("x"), at(2010, 1, 1), at(2012, 1, 1), params={"n": n}) for n in (0, 1)]
    found = windows(setups[0].after, setups[0].until, Lengths(12, 6))
    # The first combination is the better one until 2010-12, the second one is from then on.
    growth = [[0.002, 0.001], [0.001, 0.002]]
    first = choosing(setups, found)
    assert [(one.after, one.until, one.params["n"]) for one in first[1:3]] == [
        (at(2010, 1, 1), at(2011, 1, 1), 1),
        (at(2010, 7, 1), at(2011, 7, 1), 0),
    ]
    chosen, inside = judging(
        setups,
        found,
        [outcome(one, growth[number // 2][int(str(one.params["n"]))]) for number, one in enumerate(first)],
    )
    assert [one.params["n"] for one in chosen] == [0, 1]
    assert [(one.after, one.until) for one in chosen] == [
        (at(2011, 1, 1), at(2011, 7, 1)),
        (at(2011, 7, 1), at(2012, 1, 1)),
    ]
    judged = [outcome(chosen[0], -0.001), outcome(chosen[1], 0.003)]
    walked = result(found, chosen, inside, judged)
    ends = [one.curve[-1].equity / 100_000 for one in judged]
    assert walked.curve[-1].equity == pytest.approx(100_000 * ends[0] * ends[1])
    assert walked.figures.total_return == pytest.approx(ends[0] * ends[1] - 1)
    assert [step.params["n"] for step in walked.steps] == [0, 1]
    assert all((step.inside.sharpe or 0) > 0 for step in walked.steps)
