"""How long a bot's runs take: what is usual, what stands out, and whether they creep up on the timeout. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import combinations
from math import sqrt
from statistics import median

from openbell.supervisor.model.records import Day

SAMPLE = 100  # the newest runs that say what is usual
SHOWN = 20  # the newest runs that are shown
FEWEST = 20  # runs before anything can stand out
LEAST_DAYS = 10  # days with runs, over at least two weeks, before there is a trend
LEAST_SPAN = 14
LONGEST_SPAN = 120  # days that a trend is computed from
FARTHEST = 3650  # days to a timeout that are still worth a date
AHEAD = timedelta(days=90)  # a timeout that is met later than that is no concern yet
LEAST_RISE = 0.2  # of the level now, over all days that are compared
MENDED = 3  # newest days that lie below the middle of the rise: it is over
CERTAIN = 3.0  # standard deviations; chance alone gets there with one bot of 700
_MAD = 1.4826  # times the median distance from the median estimates the standard deviation


@dataclass(frozen=True, slots=True)
class Durations:
    """How long a bot's runs take, in milliseconds.

    recent: oldest first. outlier: the newest run took far longer than usual. creep: how much longer runs take from week
    to week, None where they do not; creeps_since: the first day of that. limit_at: when the line that they creep along meets
    the timeout, if it does.
    """

    median_ms: float
    p95_ms: float
    recent: tuple[float, ...]
    creep: float | None = None
    outlier: bool = False
    limit_at: datetime | None = None
    creeps_since: datetime | None = None


@dataclass(frozen=True, slots=True)
class Trend:
    """Runs that take longer and longer: by how many milliseconds from week to week, and as in `Durations`."""

    creep: float
    limit_at: datetime | None
    since: datetime


def usual(newest_first: Sequence[float], trend: Trend | None = None) -> Durations | None:
    """Return what is usual, from the newest runs; None if there were none."""
    if not newest_first:
        return None
    return Durations(
        median_ms=median(newest_first),
        p95_ms=percentile(newest_first, 95),
        recent=tuple(reversed(newest_first[:SHOWN])),
        creep=trend.creep if trend else None,
        outlier=_stands_out(newest_first),
        limit_at=trend.limit_at if trend else None,
        creeps_since=trend.since if trend else None,
    )


def percentile(values: Iterable[float], percent: int) -> float:
    """Return the smallest value that at least so many percent of the values do not exceed."""
    ordered = sorted(values)
    return ordered[max(0, -(-len(ordered) * percent // 100) - 1)]


def _stands_out(newest_first: Sequence[float]) -> bool:
    newest, before = newest_first[0], newest_first[1:]
    if len(before) < FEWEST:
        return False
    middle = median(before)
    if newest <= 2 * middle:
        return False  # nearly always, and what follows costs more
    spread = _MAD * median(abs(value - middle) for value in before)
    return newest > max(middle + 6 * spread, percentile(before, 95))


def trend_of(days: Sequence[Day], timeout: timedelta) -> Trend | None:
    """Return how durations creep up on the timeout from day to day (oldest first), or None if they do not."""
    days = [day for day in days if (days[-1].day - day.day).days <= LONGEST_SPAN]
    if len(days) < LEAST_DAYS or (days[-1].day - days[0].day).days < LEAST_SPAN or not _rises(days):
        return None
    # Theil and Sen's line: the median of the slopes between all pairs of days, which single bad days do not bend.
    slope = median(
        (later.median_ms - earlier.median_ms) / (later.day - earlier.day).days
        for earlier, later in combinations(days, 2)
    )
    level = median(day.median_ms + slope * (days[-1].day - day.day).days for day in days)
    rise = slope * (days[-1].day - days[0].day).days
    if rise < LEAST_RISE * level or all(day.median_ms < level - rise / 2 for day in days[-MENDED:]):
        return None
    left = max(0.0, (timeout / timedelta(milliseconds=1) - level) / slope)
    midnight = datetime.combine(days[-1].day, time(), UTC)
    limit_at = midnight + timedelta(days=left) if left < FARTHEST else None
    return Trend(7 * slope, limit_at, datetime.combine(days[0].day, time(), UTC))


def _rises(days: Sequence[Day]) -> bool:
    """Tell whether the days rise more steadily than chance would let them (Mann and Kendall's test)."""
    count = len(days)
    steps = [(later.median_ms, earlier.median_ms) for earlier, later in combinations(days, 2)]
    balance = sum((after > before) - (after < before) for after, before in steps)
    return balance - 1 > CERTAIN * sqrt(count * (count - 1) * (2 * count + 5) / 18)


def of_day(day: date, durations: Sequence[float]) -> Day:
    """Return how long the runs of a day took."""
    return Day(day, len(durations), median(durations), percentile(durations, 95))
