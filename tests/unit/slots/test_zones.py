"""Slots at every clock change of every zone that pytz knows, 2020 to 2035, and cronsim's opinion of them.

cronsim follows Debian's cron, which treats a job at a fixed time as openbell does: a time in a gap runs at the first
minute after the gap, a time in a fold runs once, the first time. So both are compared on all days, those with a clock
change included. They would differ in three things, which none of these tests asks about: a gap that ends within a
minute (none does in these years), a job with a wildcard for its hour or minute, which cron takes for elapsed time (what
openbell writes as `every`), and cron expressions with seconds, which cronsim moves along in elapsed time too.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import pytest
import pytz
from cronsim import CronSim
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.manifest import DAY_NAMES, EVERY_DAY, Anchor, Schedule
from openbell.slots import slots_between
from tests.unit.slots.oracle import DAY, FIRST, LAST, SECOND, WHOLE, Change, changes, first_instant, parsed, zone

HOUR = timedelta(hours=1)
ZONES = tuple(pytz.all_timezones)
COMMON = frozenset(pytz.common_timezones)
REGIONS = (*sorted({name.partition("/")[0] for name in ZONES if "/" in name}), "")


def zones_of(region: str) -> list[str]:
    """Return the zones of a region, such as those below "Europe"; without a region those that have none, such as "CET"."""
    return [name for name in ZONES if name.rpartition("/")[0].partition("/")[0] == region]


@cache
def distinct() -> frozenset[str]:
    """Return zones of which no two have the same clock changes: many are another's under a second name, such as US/Eastern."""
    if WHOLE:
        return frozenset(ZONES)
    # Those that are compared with cron's opinion stand for the others.
    return frozenset({changes(name): name for name in sorted(ZONES, key=COMMON.__contains__)}.values())


def changes_of(region: str) -> Iterator[tuple[str, Change]]:
    """Yield every clock change of every distinct zone of a region."""
    return ((name, change) for name in zones_of(region) if name in distinct() for change in changes(name))


def times_around(change: Change) -> list[time]:
    """Return the times of day at, beside and amid both ends of what a change skips or repeats."""
    start, end = change.wall
    middle = start + ((end - start) / 2)
    walls = [start - SECOND, start, start + SECOND, middle, end - SECOND, end, end + SECOND]
    return sorted({wall.time() for wall in walls})


def dates_around(change: Change) -> list[date]:
    """Return the local dates from the day before a change until two days after it."""
    return [change.wall[0].date() + number * DAY for number in range(-1, 3)]


def from_cronsim(clock: time, days: frozenset[int], name: str, after: datetime, until: datetime) -> list[datetime]:
    """Return the instants with after < instant <= until at which cron would run a job of that local time on those days."""
    weekdays = ",".join(str((day + 1) % 7) for day in sorted(days))
    found = []
    # Some days of margin: cronsim counts in local time, and a skipped job runs on the next day's date.
    for local in CronSim(f"{clock.minute} {clock.hour} * * {weekdays}", (after - 2 * DAY).astimezone(zone(name))):
        at = local.astimezone(UTC)
        if at > until:
            break
        if at > after:
            found.append(at)
    return found


def test_there_are_clock_changes_to_test() -> None:
    """The search for clock changes finds those that are known, so that the tests below are not empty."""
    new_york = changes("America/New_York")
    shifts = {abs(change.after - change.before) for name in ZONES for change in changes(name)}

    assert len(new_york) == 32
    assert new_york[0] == Change(datetime(2020, 3, 8, 7, tzinfo=UTC), timedelta(hours=-5), timedelta(hours=-4))
    assert new_york[0].wall == (datetime(2020, 3, 8, 2), datetime(2020, 3, 8, 3))  # noqa: DTZ001 - a wall clock's
    assert changes("UTC") == changes("Asia/Tokyo") == ()
    assert {timedelta(minutes=30), timedelta(hours=1), timedelta(hours=2), timedelta(hours=3)} <= shifts
    assert sum(bool(changes(name)) for name in COMMON) > 150
    assert sorted(name for region in REGIONS for name in zones_of(region)) == sorted(ZONES)


@pytest.mark.parametrize("region", REGIONS)
def test_a_daily_time_at_every_clock_change(region: str) -> None:
    """Around every gap and fold each local date has exactly one slot: the first instant that is not too early."""
    for name, change in changes_of(region):
        dates = dates_around(change)
        for clock in times_around(change):
            expected = [first_instant(datetime.combine(day, clock), name) for day in dates]
            schedule = Schedule(name, at=(Anchor("clock", clock),))

            found = list(slots_between(schedule, expected[0] - SECOND, expected[-1]))

            assert found == expected, (name, change, clock)
            assert len(set(found)) == len(dates)


@pytest.mark.parametrize("region", REGIONS)
def test_several_daily_times_at_every_clock_change(region: str) -> None:
    """Times on both sides of a gap or a fold come in order, each once, those that a gap moves together as one."""
    for name, change in changes_of(region):
        dates, clocks = dates_around(change)[:2], times_around(change)
        expected = sorted({first_instant(datetime.combine(day, clock), name) for day in dates for clock in clocks})
        schedule = Schedule(name, at=tuple(Anchor("clock", clock) for clock in reversed(clocks)))

        found = list(slots_between(schedule, expected[0] - SECOND, expected[-1]))

        assert found == expected, (name, change)


@pytest.mark.parametrize("region", REGIONS)
def test_an_interval_at_every_clock_change(region: str) -> None:
    """An interval goes on through every gap and fold, and a day that it is limited to is the clock's day."""
    for name, change in changes_of(region):
        schedule = parsed(name, every="30m", offset="5s")
        after, until = change.at - 26 * HOUR, change.at + 26 * HOUR
        grid = [change.at.replace(minute=0, second=5) + timedelta(minutes=30 * number) for number in range(-80, 80)]
        expected = [slot for slot in grid if after < slot <= until]

        assert list(slots_between(schedule, after, until)) == expected, (name, change)

        days = frozenset({change.wall[0].weekday()})
        limited = Schedule(name, days=days, every=schedule.every, offset=schedule.offset)
        that_day = [slot for slot in expected if slot.astimezone(zone(name)).weekday() in days]
        assert list(slots_between(limited, after, until)) == that_day, (name, change)


@pytest.mark.parametrize("region", REGIONS)
def test_cron_agrees_at_every_clock_change(region: str) -> None:
    """A time within, just before and just after every gap and fold is due when cron would run it."""
    for name, change in changes_of(region):
        after, until = change.at - 30 * HOUR, change.at + 30 * HOUR
        clocks = {clock.replace(second=0) for clock in times_around(change)} if name in COMMON else set()
        for clock in clocks:
            found = list(slots_between(Schedule(name, at=(Anchor("clock", clock),)), after, until))
            assert found == from_cronsim(clock, EVERY_DAY, name, after, until), (name, change, clock)


@given(
    st.sampled_from(ZONES),
    st.times().map(lambda clock: clock.replace(second=0, microsecond=0, fold=0)),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, (LAST - FIRST).days - 400),
)
@settings(derandomize=True, deadline=None, max_examples=150 if WHOLE else 50)
def test_cron_agrees_over_a_year(name: str, clock: time, days: frozenset[int], start: int) -> None:
    """A daily time on any days in any zone is due when cron would run it, on every day of a year and more."""
    after = FIRST + start * DAY
    schedule = parsed(name, at=f"{clock:%H:%M}", days=",".join(DAY_NAMES[day] for day in days))

    found = list(slots_between(schedule, after, after + 400 * DAY))

    assert found == from_cronsim(clock, days, name, after, after + 400 * DAY)
    assert len(found) >= 57


@given(st.sampled_from(ZONES), st.times().map(lambda clock: clock.replace(microsecond=0, fold=0)))
@settings(derandomize=True, deadline=None, max_examples=20 if WHOLE else 10)
def test_a_daily_time_has_one_slot_for_each_date_of_sixteen_years(name: str, clock: time) -> None:
    """From 2020 to 2035 no date of any zone is without its slot, and none has two."""
    dates = [FIRST.date() + number * DAY for number in range((LAST - FIRST).days + 1)]
    expected = [first_instant(datetime.combine(day, clock), name) for day in dates]

    found = list(slots_between(parsed(name, at=f"{clock:%H:%M:%S}"), expected[0] - SECOND, expected[-1]))

    assert found == expected
    assert len(set(found)) == len(dates) == 5844
