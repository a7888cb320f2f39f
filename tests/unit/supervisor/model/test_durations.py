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


def test_what_is_usual_tells_the_trend() -> None:
    """As it was computed from the days."""
    trend = Trend(7000.0, datetime(2026, 12, 1, tzinfo=UTC), datetime(2026, 9, 1, tzinfo=UTC))
    found = usual([1.0], trend)
    assert found is not None
    assert (found.creep, found.limit_at, found.creeps_since) == (trend.creep, trend.limit_at, trend.since)


@pytest.mark.parametrize("percent, expected", [(0, 1), (1, 1), (50, 2), (75, 3), (76, 4), (95, 4), (100, 4)])
def test_a_percentile_is_one_of_the_values(percent: int, expected: float) -> None:
    """The smallest that so many percent do not exceed."""
    assert percentile([4.0, 1.0, 3.0, 2.0], percent) == expected


def test_a_percentile_of_many_values() -> None:
    """Of 200 values, 190 are 95 per cent."""
    assert percentile([float(number) for number in range(200, 0, -1)], 95) == 190.0


@pytest.mark.parametrize(
    "newest, before, stands_out",
    [
        (500, [100.0, 110.0] * 20, True),
        (150, [100.0, 110.0] * 20, False),
        (500, [100.0] * 19, False),
        (500, [100.0] * 20, True),
        (500, [100.0, 400.0] * 20, False),
        (500, [100.0] * 38 + [600.0, 700.0, 800.0], False),
        (200, [100.0] * 40, False),
        (201, [100.0] * 40, True),
        (277, [80.0] * 10 + [100.0] + [120.0] * 10, False),
        (278, [80.0] * 10 + [100.0] + [120.0] * 10, True),
        (300, [100.0] * 94 + [600.0] * 6, False),
        (300, [100.0] * 95 + [600.0] * 5, True),
    ],
    ids=[
        "far off",
        "a little more",
        "too few to say",
        "all alike",
        "they differ widely",
        "it has been so before",
        "twice as long",
        "more than twice",
        "within six deviations",
        "beyond six deviations",
        "one in 17",
        "one in 20",
    ],
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
        days(*(8001.0 + 100 * number for number in range(21))),
    ],
    ids=[
        "no days",
        "too few days",
        "not two weeks",
        "always alike",
        "faster",
        "hardly slower",
        "slower for two days",
        "less than a fifth",
    ],
)
def test_what_is_no_creep(found: list[Day]) -> None:
    """Short, flat, falling, tiny or passing."""
    assert trend_of(found, MINUTE) is None


@pytest.mark.parametrize("found", [
    days(*(1000.0 + 100 * number for number in range(10)), every=2),
    days(*(1000.0 + 100 * number for number in range(15))),
    days(*(8000.0 + 100 * number for number in range(21))),
], ids=["ten days", "two weeks", "a fifth"])  # fmt: skip
def test_what_is_just_a_creep(found: list[Day]) -> None:
    """The least that is enough."""
    assert trend_of(found, MINUTE) is not None


@pytest.mark.parametrize("seconds, rises", [
    # 33 pairs of ten days more rise than fall: chance does that too often; 35 are enough.
    ([12, 11, 10, 14, 13, 16, 15, 18, 17, 19], False),
    ([11, 10, 13, 12, 15, 14, 17, 16, 19, 18], True),
    # Two days alike are neither.
    ([10, 10, 10, 10, 14, 14, 14, 14, 18, 19], False),
    ([10, 10, 10, 10, 10, 15, 16, 17, 18, 19], True),
    # Of fifteen days, 61 and 63.
    ([14, 13, 12, 11, 10, 19, 18, 17, 16, 15, 21, 20, 23, 22, 24], False),
    ([14, 13, 12, 11, 10, 19, 18, 17, 16, 15, 21, 20, 22, 23, 24], True),
])  # fmt: skip
def test_a_rise_is_steadier_than_chance(seconds: list[int], rises: bool) -> None:
    """By three standard deviations of the number of pairs that rise."""
    found = trend_of(days(*(1000.0 * one for one in seconds), every=2), MINUTE)
    assert (found is not None) is rises


def test_days_of_months_ago_say_nothing() -> None:
    """A trend is taken from the days of the last 120."""
    trend = trend_of(days(*(10_000.0 + 1000 * number for number in range(122))), MINUTE)
    assert trend is not None
    assert trend.since == datetime(2026, 9, 2, tzinfo=UTC)


def test_a_rise_that_was_mended_is_over_after_three_days() -> None:
    """Runs that are short again end the trend long before the line through all days does."""
    rise = [10_000.0 + 1000 * number for number in range(30)]
    assert trend_of(days(*rise, 10_000.0, 10_000.0), MINUTE) is not None
    assert trend_of(days(*rise, 10_000.0, 10_000.0, 10_000.0), MINUTE) is None
    middle = 42_000.0 - 32_000 / 2  # of the line through all 33 days
    assert trend_of(days(*rise, *[middle] * 3), MINUTE) is not None
    assert trend_of(days(*rise, *[middle - 1] * 3), MINUTE) is None


@pytest.mark.parametrize("timeout, after_days", [
    (timedelta(seconds=20), 0.0),  # it is met already
    (timedelta(seconds=29 + 3649), 3649.0),
    (timedelta(seconds=29 + 3650), None),
])  # fmt: skip
def test_when_a_rise_meets_the_timeout(timeout: timedelta, after_days: float | None) -> None:
    """From the last day on; after ten years it is not a date."""
    trend = trend_of(days(*(10_000.0 + 1000 * number for number in range(20))), timeout)
    assert trend is not None
    last = datetime(2026, 9, 20, tzinfo=UTC)
    assert trend.limit_at == (None if after_days is None else last + timedelta(days=after_days))


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
    assert of_day(FIRST, [float(number) for number in range(100, 0, -1)]) == Day(FIRST, 100, 50.5, 95.0)
