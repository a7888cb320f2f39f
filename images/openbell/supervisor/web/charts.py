"""Charts: the SVG paths of lines and dots over time. Pure; the templates add the text.

A chart stretches to the width of the page, so it has no text in it: the labels stand around it and stay readable on a
phone. Each chart has a text alternative.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from openbell.instants import MILLISECOND, milliseconds
from openbell.thinning import kept

WIDTH, HEIGHT = 600, 120
SPARK_WIDTH, SPARK_HEIGHT = 72, 18
MOST_POINTS = 300

Point = tuple[datetime, float]


@dataclass(frozen=True)
class Stroke:
    """Something drawn: `kind` is its class in the style sheet, `path` the data of an SVG path."""

    kind: str
    path: str


@dataclass(frozen=True)
class Chart:
    """One chart over time. `points` are for the tooltips: milliseconds since 1970 and value, "1,2 3,4"."""

    strokes: tuple[Stroke, ...]
    low: float
    high: float
    first: datetime
    last: datetime
    newest: float
    points: str


@dataclass(frozen=True)
class Scale:
    """From instants and values to coordinates."""

    first: datetime
    last: datetime
    low: float
    high: float

    def x(self, at: datetime) -> float:
        """Return how far to the right an instant lies."""
        length = (self.last - self.first) / MILLISECOND
        return WIDTH / 2 if not length else 4 + (at - self.first) / MILLISECOND / length * (WIDTH - 8)

    def y(self, value: float) -> float:
        """Return how far down a value lies."""
        height = self.high - self.low
        return HEIGHT / 2 if not height else 6 + (self.high - value) / height * (HEIGHT - 12)


def line_chart(points: Sequence[Point], marks: Iterable[tuple[str, Point]] = ()) -> Chart | None:
    """Return a line through points, oldest first, with marks of some kinds; None if there is nothing to draw.

    A mark whose kind ends with "hollow" is drawn as a ring.
    """
    points, marks = thinned(points), list(marks)
    if not points:
        return None
    scale = _scale([*points, *(point for _, point in marks)])
    strokes = [Stroke("line", _line(scale, points)) if len(points) > 1 else Stroke("dot", _dots(scale, points))]
    kinds = sorted({kind for kind, _ in marks})
    strokes += [Stroke(kind, _dots(scale, [point for one, point in marks if one == kind])) for kind in kinds]
    hollow = [point for kind, point in marks if kind.endswith("hollow")]
    if hollow:
        strokes.append(Stroke("hole", _dots(scale, hollow)))
    if scale.low < 0 < scale.high:
        strokes.insert(0, _level("zero", scale, 0.0))
    return _chart(strokes, scale, points)


def duration_chart(points: Sequence[Point], median: float | None = None, p95: float | None = None) -> Chart | None:
    """Return runs' durations as dots above zero, oldest first, with levels for median and p95."""
    points = thinned(points)
    if not points:
        return None
    levels = [(kind, value) for kind, value in (("p95", p95), ("median", median)) if value is not None]
    scale = _from_zero(points, [value for _, value in levels])
    strokes = [_level(kind, scale, value) for kind, value in levels]
    return _chart([*strokes, Stroke("dot", _dots(scale, points))], scale, points)


def trend_chart(points: Sequence[Point], creep: float | None) -> Chart | None:
    """Return a line above zero, and the straight line that rises by `creep` a week."""
    if not points:
        return None
    middle = sorted(value for _, value in points)[len(points) // 2]
    length = points[-1][0] - points[0][0]
    half = length / timedelta(weeks=1) / 2 * (creep or 0.0)
    ends = [(points[0][0], max(0.0, middle - half)), (points[-1][0], max(0.0, middle + half))]
    scale = _from_zero(points, [value for _, value in ends])
    strokes = [Stroke("line", _line(scale, points)), Stroke("dot", _dots(scale, points))]
    if creep is not None and length:
        strokes.insert(0, Stroke("creep", _line(scale, ends)))
    return _chart(strokes, scale, points)


def sparkline(values: Sequence[float]) -> str:
    """Return the path of a small line through values, oldest first; empty if there are fewer than two."""
    if len(values) < 2:
        return ""
    low, high = min(values), max(values)
    step = (SPARK_WIDTH - 2) / (len(values) - 1)
    height = SPARK_HEIGHT - 4
    points = [
        (1 + index * step, SPARK_HEIGHT / 2 if high == low else 2 + (high - value) / (high - low) * height)
        for index, value in enumerate(values)
    ]
    return _path(points)


def thinned(points: Sequence[Point], most: int = MOST_POINTS) -> list[Point]:
    """Return at most `most` points, with all peaks."""
    return [points[index] for index in kept([value for _, value in points], most)]


def _scale(points: Sequence[Point]) -> Scale:
    instants, values = [at for at, _ in points], [value for _, value in points]
    return Scale(min(instants), max(instants), min(values), max(values))


def _from_zero(points: Sequence[Point], others: Iterable[float]) -> Scale:
    found = _scale(points)
    return Scale(found.first, found.last, 0.0, max(found.high, *others, 0.0))


def _chart(strokes: Iterable[Stroke], scale: Scale, points: Sequence[Point]) -> Chart:
    told = " ".join(f"{milliseconds(at)},{value:.6g}" for at, value in points)
    return Chart(tuple(strokes), scale.low, scale.high, scale.first, scale.last, points[-1][1], told)


def _level(kind: str, scale: Scale, value: float) -> Stroke:
    return Stroke(kind, f"M0 {scale.y(value):.1f}H{WIDTH}")


def _line(scale: Scale, points: Iterable[Point]) -> str:
    return _path([(scale.x(at), scale.y(value)) for at, value in points])


def _dots(scale: Scale, points: Iterable[Point]) -> str:
    # A line without length and with round ends is a dot that keeps its shape however the chart is stretched.
    return "".join(f"M{scale.x(at):.1f} {scale.y(value):.1f}h0" for at, value in points)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
