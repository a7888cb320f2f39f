"""Numbers become coordinates."""

import re
from datetime import UTC, datetime, timedelta

import pytest

from openbell.supervisor.web.charts import (
    HEIGHT,
    MOST_POINTS,
    WIDTH,
    Point,
    duration_chart,
    line_chart,
    sparkline,
    thinned,
    trend_chart,
)

AT = datetime(2026, 11, 20, 12, 0, tzinfo=UTC)


def series(*values: float) -> list[Point]:
    """Return one value a day."""
    return [(AT + timedelta(days=number), value) for number, value in enumerate(values)]


def places(path: str) -> list[tuple[float, float]]:
    """Return the coordinates in a path."""
    return [(float(x), float(y)) for x, y in re.findall(r"[ML]([-\d.]+) ([-\d.]+)", path)]


def test_a_line_rises_with_its_values() -> None:
    """From left to right, the highest value at the top, all within the picture."""
    chart = line_chart(series(1.0, 3.0, 2.0))
    assert chart is not None
    (line,) = chart.strokes
    found = places(line.path)
    assert [x for x, _ in found] == [4.0, 300.0, 596.0]
    assert [y for _, y in found] == [114.0, 6.0, 60.0]
    assert all(0 <= x <= WIDTH and 0 <= y <= HEIGHT for x, y in found)
    assert (chart.low, chart.high, chart.newest) == (1.0, 3.0, 2.0)
    assert chart.points.split()[0] == f"{AT.timestamp() * 1000:.0f},1"


@pytest.mark.parametrize("values", [(5.0,), (5.0, 5.0, 5.0), (0.0, 0.0)])
def test_what_does_not_change_is_drawn_in_the_middle(values: tuple[float, ...]) -> None:
    """And divides by nothing."""
    chart = line_chart(series(*values))
    assert chart is not None
    assert {y for stroke in chart.strokes for _, y in places(stroke.path)} == {HEIGHT / 2}


def test_nothing_is_no_chart() -> None:
    """Rather than an empty frame."""
    assert line_chart([]) is None
    assert duration_chart([]) is None
    assert trend_chart([], 1.0) is None
    assert sparkline([1.0]) == ""


def test_orders_are_marks_on_the_line() -> None:
    """Each kind in its own colour; the line of nought is there if values lie on both sides of it."""
    points = series(-1.0, 1.0)
    chart = line_chart(points, [("buy", points[1]), ("sell", points[0])])
    assert chart is not None
    assert [stroke.kind for stroke in chart.strokes] == ["zero", "line", "buy", "sell"]
    assert chart.strokes[2].path == "M596.0 6.0h0"


def test_durations_stand_on_nought() -> None:
    """So that a small change looks small; median and p95 are levels."""
    chart = duration_chart(series(90.0, 100.0), 95.0, 200.0)
    assert chart is not None
    assert (chart.low, chart.high) == (0.0, 200.0)
    assert [stroke.kind for stroke in chart.strokes] == ["p95", "median", "dot"]


@pytest.mark.parametrize("creep, rises", [(70.0, 1), (-70.0, -1), (0.0, 0)])
def test_the_line_of_the_creep(creep: float, rises: int) -> None:
    """Straight, through the middle of the days, as steep as it is reported."""
    chart = trend_chart(series(*[100.0] * 15), creep)
    assert chart is not None
    (first, last) = places(chart.strokes[0].path)
    assert chart.strokes[0].kind == "creep"
    assert (first[1] > last[1]) - (first[1] < last[1]) == rises
    assert chart.high == (170.0 if creep else 100.0)


def test_no_creep_is_no_line() -> None:
    """The days alone."""
    chart = trend_chart(series(1.0, 2.0, 3.0), None)
    assert chart is not None
    assert [stroke.kind for stroke in chart.strokes] == ["line", "dot"]


def test_thinning_keeps_peaks() -> None:
    """However many points there are, a single spike among them is seen."""
    points = series(*[1.0] * 5000)
    points[1234] = (points[1234][0], 99.0)
    thin = thinned(points)
    assert len(thin) <= MOST_POINTS
    assert points[1234] in thin
    assert thin == sorted(thin)


def test_a_sparkline() -> None:
    """Small, and within its place."""
    assert places(sparkline([1.0, 2.0])) == [(1.0, 16.0), (71.0, 2.0)]
