"""Lines as SVG: no script, no library, sharp at every size, in the page's own colours. Pure."""

from collections.abc import Sequence
from datetime import datetime
from html import escape
from math import ceil, floor, log10

from openbell.backtest.engine import Point

WIDTH, HEIGHT = 960, 280
LEFT, BOTTOM, TOP = 72, 24, 8  # room for labels
MOST_POINTS = 1200  # of a line; more cannot be seen


def lines(title: str, curves: Sequence[tuple[str, Sequence[Point]]], *, percent: bool = False) -> str:
    """Return a chart of curves over one time; `title` says to those who cannot see it what it shows.

    percent: the values are shares of one, none above 0.
    """
    points = [point for _, curve in curves for point in curve]
    if not points:
        return ""
    first, last = min(point.at for point in points), max(point.at for point in points)
    ticks = _ticks(min(point.equity for point in points), max(point.equity for point in points), flat_top=percent)
    low, high = ticks[0], ticks[-1]

    def x(at: datetime) -> float:
        share = (at - first) / (last - first) if last > first else 0.5
        return LEFT + share * (WIDTH - LEFT - 8)

    def y(value: float) -> float:
        return TOP + (high - value) / (high - low) * (HEIGHT - TOP - BOTTOM)

    parts = [f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(title)}">']
    for tick in ticks:
        label = f"{tick + 0.0:.0%}" if percent else f"{tick:,.0f}"  # never -0
        parts.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - 8}" y1="{y(tick):.1f}" y2="{y(tick):.1f}"/>')
        parts.append(f'<text class="end" x="{LEFT - 8}" y="{y(tick) + 4:.1f}">{label}</text>')
    for year in _years(first, last):
        parts.append(f'<text class="middle" x="{x(year):.1f}" y="{HEIGHT - 6}">{year:%Y}</text>')
        parts.append(f'<line class="grid" x1="{x(year):.1f}" x2="{x(year):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
    for number, (name, curve) in enumerate(curves):
        path = " ".join(f"{x(point.at):.1f},{y(point.equity):.1f}" for point in _thinned(curve))
        parts.append(f'<polyline class="line{number}" points="{path}"><title>{escape(name)}</title></polyline>')
    return "".join([*parts, "</svg>"])


def _thinned(curve: Sequence[Point]) -> Sequence[Point]:
    """Return as many points as can be seen: of each stretch the lowest and the highest, so that no spike is lost."""
    if len(curve) <= MOST_POINTS:
        return curve
    step = ceil(2 * len(curve) / MOST_POINTS)
    kept: list[Point] = [curve[0]]
    for start in range(0, len(curve), step):
        stretch = curve[start : start + step]
        ends = {id(one): one for one in (min(stretch, key=_worth), max(stretch, key=_worth))}
        kept += sorted(ends.values(), key=lambda point: point.at)
    return [*kept, curve[-1]]


def _worth(point: Point) -> float:
    return point.equity


def _ticks(low: float, high: float, *, flat_top: bool = False) -> list[float]:
    """Return four to seven round values that enclose low..high; flat_top: a flat line lies at their top."""
    if high <= low and flat_top:
        low = high - 0.05
    elif high <= low:
        low, high = low - (abs(low) or 1) * 0.05, high + (abs(high) or 1) * 0.05
    size = 10 ** floor(log10(high - low))
    step = next(size * factor for factor in (0.1, 0.2, 0.25, 0.5, 1, 2, 2.5, 5) if (high - low) / (size * factor) <= 6)
    return [step * number for number in range(floor(low / step), ceil(high / step) + 1)]


def _years(first: datetime, last: datetime) -> list[datetime]:
    starts = [first.replace(year=year, month=1, day=1, hour=0, minute=0) for year in range(first.year, last.year + 2)]
    found = [start for start in starts if first <= start <= last]
    return found[:: ceil(len(found) / 12) or 1] if found else []
