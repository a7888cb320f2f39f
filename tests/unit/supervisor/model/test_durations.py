"""How long runs take: what is usual, what stands out, what creeps."""

import random
from datetime import UTC, date, datetime, timedelta

import pytest

from openbell.supervisor.model.durations import Trend, of_day, percentile, trend_of, usual
from openbell.supervisor.model.records import Day

FIRST = date(2026, 9, 1)
MINUTE = timedelta(minutes=1)


def days(*medians: float, every: int = 1) -> list[Day]:
    """Return days with these medians, one after the other."""
    return [Day(FIRST + timedelta(days=number * every), 10, one, one) for number, one in enumerate(medians)]


def test_what_is_usual() -> None:
    """Median and 95th percentile of all, the newest 20 from old to new."""
    found = usual([float(number) for number in range(100, 0, -1)])
    assert found is not None
    assert (found.median_ms, found.p95_ms) == (50.5, 95.0)
    assert found.recent == tuple(float(number) for number in range(81, 101))
    assert (found.creep, found.outlier) == (None, False)
    assert usual([]) is None


@pytest.mark.parametrize("percent, expected", [(0, 1), (1, 1), (50, 2), (75, 3), (76, 4), (95, 4), (100, 4)])
def test_a_percentile_is_one_of_the_values(percent: int, expected: float) -> None:
    """The smallest that so many percent do not exceed."""
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == expected


@pytest.mark.parametrize(
    "newest, before, stands_out",
    [
        (500, [100.0, 110.0] * 20, True),
        (150, [100.0, 110.0] * 20, False),
        (500, [100.0] * 19, False),
        (500, [100.0] * 20, True),
        (500, [100.0, 400.0] * 20, False),
        (500, [100.0] * 38 + [600.0, 700.0, 800.0], False),
    ],
    ids=["far off", "a little more", "too few to say", "all alike", "they differ widely", "it has been so before"],
)
def test_an_outlier_takes_far_longer_than_usual(newest: float, before: list[float], stands_out: bool) -> None:
    """Against the runs before it, by their own spread."""
    found = usual([newest, *before])
    assert found is not None
    assert found.outlier is stands_out


def test_a_steady_rise_is_seen_with_its_end() -> None:
    """A second more each day meets the minute on the day on which it is due."""
    trend = trend_of(days(*(10_000.0 + 1000 * number for number in range(20))), MINUTE)
    assert trend == Trend(
        7000.0, datetime(2026, 9, 1, tzinfo=UTC) + timedelta(days=50), datetime(2026, 9, 1, tzinfo=UTC)
    )


def test_single_bad_days_do_not_bend_the_line() -> None:
    """Three days of outage among twenty leave the slope where it was."""
    medians = [10_000.0 + 1000 * number for number in range(20)]
    medians[4] = medians[11] = medians[17] = 59_000.0
    trend = trend_of(days(*medians), MINUTE)
    assert trend is not None
    assert trend.creep == pytest.approx(7000, rel=0.1)


@pytest.mark.parametrize(
    "found",
    [
        [],
        days(*(100.0 + number for number in range(9)), every=3),
        days(*(1000.0 + 100 * number for number in range(14))),
        days(*[1000.0] * 30),
        days(*(3000.0 - 50 * number for number in range(30))),
        days(*(1000.0 + number for number in range(30))),
        days(*([1000.0] * 15 + [1500.0] * 2 + [1000.0] * 13)),
    ],
    ids=["no days", "too few days", "not two weeks", "always alike", "faster", "hardly slower", "slower for two days"],
)
def test_what_is_no_creep(found: list[Day]) -> None:
    """Short, flat, falling, tiny or passing."""
    assert trend_of(found, MINUTE) is None


def test_a_rise_that_was_mended_is_over_after_three_days() -> None:
    """Runs that are short again end the trend long before the line through all days does."""
    rise = [10_000.0 + 1000 * number for number in range(30)]
    assert trend_of(days(*rise, 10_000.0, 10_000.0), MINUTE) is not None
    assert trend_of(days(*rise, 10_000.0, 10_000.0, 10_000.0), MINUTE) is None


def test_a_rise_that_meets_no_limit_has_no_date() -> None:
    """In decades everything meets its timeout."""
    trend = trend_of(days(*(1.0 + 0.05 * number for number in range(30))), timedelta(hours=1))
    assert trend is not None
    assert trend.limit_at is None


def test_chance_is_no_creep() -> None:
    """Of a thousand bots with durations at random, hardly one is accused."""
    noise = random.Random(7)
    accused = sum(
        trend_of(days(*(max(1.0, noise.gauss(1000, 300)) for _ in range(30))), MINUTE) is not None for _ in range(1000)
    )
    assert accused <= 3


def test_a_day_is_summed_up() -> None:
    """Count, median and 95th percentile."""
    assert of_day(FIRST, [3.0, 1.0, 2.0]) == Day(FIRST, 3, 2.0, 3.0)
