"""What a backtest keeps of its slots: the account's curve and the signals, bounded however many slots there are."""

from array import array
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from math import isfinite
from operator import attrgetter
from typing import NamedTuple, TypeVar

from openbell.instants import EPOCH
from openbell.records import dataclass, field

MOST_POINTS = 65_536  # of a curve that has every slot; a longer one has three points of each day
BATCH = 256  # slots whose signals are taken at once, which takes half of the time
MOST_SIGNALS = 8_192  # of one symbol; of more, every second one is left out, and again


class Point(NamedTuple):
    """The account's worth after one slot."""

    at: datetime
    equity: float
    exposure: float = 0.0  # what all positions are worth, short ones too


# What a run computed for a symbol. Every slot may have some of each symbol: nothing is lighter than a tuple.
Signal = tuple[datetime, float]
Row = TypeVar("Row", bound=tuple[datetime, *tuple[float, ...]])
MICROSECOND = timedelta(microseconds=1)


class Rows(tuple[Row, ...]):
    """Instants with numbers. They are pickled as columns, which takes a fifth of the time."""

    __slots__ = ()

    def __reduce__(self) -> tuple[Callable[..., tuple[Row, ...]], tuple[object, ...]]:
        """Tell pickle how to make them again."""
        if not self:
            return tuple, ()
        instants, *columns = zip(*self, strict=True)
        at = array("q", [(one - EPOCH) // MICROSECOND for one in instants])
        return _unpickled, (getattr(type(self[0]), "_make", tuple), at, *(array("d", column) for column in columns))


def _unpickled(make: Callable[[tuple[object, ...]], Row], at: Sequence[int], *columns: Sequence[float]) -> Rows[Row]:
    return Rows(map(make, zip([EPOCH + number * MICROSECOND for number in at], *columns, strict=True)))


class Curve:
    """The points of a backtest, oldest first. Each day keeps its lowest, its highest and its last point at least."""

    def __init__(self) -> None:
        self._points: list[Point] = []
        self._room = MOST_POINTS  # until the next thinning

    def add(self, point: Point) -> None:
        """Take the point of one more slot."""
        self._points.append(point)
        if len(self._points) > self._room:
            self._points = [one for day in _days(self._points) for one in _ends(day)]
            self._room = max(MOST_POINTS, 2 * len(self._points))

    def points(self) -> tuple[Point, ...]:
        """Return the points."""
        return Rows(self._points)


class Signals:
    """The signals of a backtest, by symbol."""

    def __init__(self) -> None:
        self._found: dict[str, _Thinned] = {}
        self._waiting: list[tuple[datetime, Mapping[str, object]]] = []  # of the newest slots, sorted by symbol at once

    def add(self, at: datetime, values: Mapping[str, object]) -> None:
        """Take what a run computed, by symbol; what is not a number cannot be drawn. `values` must not change any more."""
        if values:
            self._waiting.append((at, values))
            if len(self._waiting) >= BATCH:
                self._sort()

    def by_symbol(self) -> dict[str, tuple[Signal, ...]]:
        """Return what is kept."""
        self._sort()
        return {name: Rows(kept.signals) for name, kept in self._found.items()}

    def _sort(self) -> None:
        for at, values in self._waiting:
            for symbol, value in values.items():
                kept = self._found.get(symbol)
                if kept is None:
                    kept = self._found[symbol] = _Thinned()
                kept.seen += 1
                if kept.seen % kept.step == 0 and isinstance(value, int | float) and isfinite(value):
                    kept.signals.append((at, float(value)))
                    if len(kept.signals) > MOST_SIGNALS:
                        del kept.signals[1::2]
                        kept.step *= 2
        self._waiting.clear()


@dataclass
class _Thinned:
    """The signals of one symbol: one of each `step` that were seen."""

    signals: list[Signal] = field(default_factory=list)
    seen: int = -1
    step: int = 1


def daily(points: Iterable[Point]) -> list[Point]:
    """Return the last point of each day in UTC."""
    return list({point.at.toordinal(): point for point in points}.values())


def _days(points: Iterable[Point]) -> Iterable[list[Point]]:
    for _, day in groupby(points, key=lambda point: point.at.date()):
        yield list(day)


def _ends(day: Sequence[Point]) -> list[Point]:
    equity = attrgetter("equity")
    kept = {point.at: point for point in (min(day, key=equity), max(day, key=equity), day[-1])}
    return [kept[at] for at in sorted(kept)]
