"""Days of weeks, months and quarters, 2020 to 2035: compared with dateutil's rrule and with exchange_calendars' sessions."""

from collections.abc import Iterable
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from itertools import groupby

import exchange_calendars
import pytest
import pytz
from dateutil.rrule import DAILY, FR, MO, MONTHLY, SU, YEARLY, rrule, weekday
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell import calendars
from openbell.manifest import DAY_NAMES
from openbell.slots import count_slots, last_slot, next_slot, slots_between
from tests.unit.slots.oracle import FIRST, LAST, WHOLE, first_instant, parsed, zone

# `make test-calendars` compares all of it; a test run of every day takes what is quick.
EXAMPLES = 1_500 if WHOLE else 40
EXCHANGES = (
    [name for name in calendars.names() if name != "24/7"] if WHOLE else ["XNYS", "XTKS", "XETR", "CMES", "24/5"]
)
FROM_OPEN = EXCHANGES if WHOLE else ["XNYS", "XTKS", "CMES"]
ZONES = tuple(pytz.common_timezones)
BEGIN, END = datetime(2020, 1, 1), datetime(2035, 12, 31)  # noqa: DTZ001 - wall clocks
QUARTER_ENDS = {"bymonth": (3, 6, 9, 12), "bymonthday": -1}
# days → the same for rrule, without a calendar
RULES: dict[str, dict[str, object]] = {
    "month-start": {"freq": MONTHLY, "bymonthday": 1},
    "month-end": {"freq": MONTHLY, "bymonthday": -1},
    "quarter-start": {"freq": YEARLY, "bymonth": (1, 4, 7, 10), "bymonthday": 1},
    "quarter-end": {"freq": YEARLY, **QUARTER_ENDS},
    "week-start": {"freq": DAILY, "byweekday": MO},
    "week-end": {"freq": DAILY, "byweekday": SU},
    "1st fri": {"freq": MONTHLY, "byweekday": FR(1)},
    "3rd mon": {"freq": MONTHLY, "byweekday": MO(3)},
    "5th fri": {"freq": MONTHLY, "byweekday": FR(5)},
    "last mon": {"freq": MONTHLY, "byweekday": MO(-1)},
    "session 3 of month": {"freq": MONTHLY, "bymonthday": 3},
    "session -2 of month": {"freq": MONTHLY, "bymonthday": -2},
    "session 2 of week": {"freq": DAILY, "byweekday": weekday(1)},
    "1st fri,last mon": {"freq": MONTHLY, "byweekday": (FR(1), MO(-1))},
}


def dates(found: Iterable[datetime], name: str) -> list[date]:
    """Return the local dates of slots."""
    return [slot.astimezone(zone(name)).date() for slot in found]


@given(st.sampled_from(sorted(RULES)), st.sampled_from(ZONES), st.integers(0, 23))
@settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
def test_days_without_a_calendar_are_rrules(days: str, name: str, hour: int) -> None:
    """Over sixteen years in any zone, the slots are at rrule's dates, each at its first instant."""
    schedule = parsed(name, at=f"{hour:02}:30", days=days)
    expected = [
        first_instant(at.replace(hour=hour, minute=30), name)
        for at in rrule(dtstart=BEGIN, until=END, **RULES[days])  # type: ignore[arg-type]
    ]

    found = list(slots_between(schedule, FIRST - timedelta(days=1), LAST + timedelta(days=2)))

    assert [slot for slot in found if expected[0] <= slot <= expected[-1]] == expected


@cache
def span(exchange: str) -> tuple[date, date, bool]:
    """Return the first and the last day of eight years that the library knows, and whether its weeks begin on Sunday."""
    one = exchange_calendars.get_calendar(exchange)
    low, high = one.bound_min(), one.bound_max()
    first = max(date(2020, 1, 1), low.date()) if low is not None else date(2020, 1, 1)
    last = min(date(2027, 12, 31), high.date()) if high is not None else date(2027, 12, 31)
    return first, last, one.weekmask == "1111001"


@cache
def sessions(exchange: str) -> tuple[tuple[date, datetime, datetime], ...]:
    """Return the library's sessions of these years: date, open and close."""
    first, last, _ = span(exchange)
    one = exchange_calendars.get_calendar(exchange, start=str(first), end=str(last))
    return tuple(
        (row.Index.date(), row.open.to_pydatetime(), row.close.to_pydatetime()) for row in one.schedule.itertuples()
    )


def nth(exchange: str, period: str, number: int) -> list[date]:
    """Return the nth session of every week, month or quarter, from the library's list."""

    def key(row: tuple[date, datetime, datetime]) -> tuple[int, int]:
        day = row[0]
        if period == "week":
            year, week, _ = (day + timedelta(days=span(exchange)[2])).isocalendar()
            return year, week
        return day.year, day.month if period == "month" else (day.month - 1) // 3

    groups = [[row[0] for row in group] for _, group in groupby(sessions(exchange), key=key)]
    index = number - 1 if number > 0 else number
    return [group[index] for group in groups if -len(group) <= index < len(group)]


@pytest.mark.parametrize("exchange", EXCHANGES)
@pytest.mark.parametrize(
    "days,period,number",
    [
        ("week-start", "week", 1),
        ("week-end", "week", -1),
        ("month-start", "month", 1),
        ("month-end", "month", -1),
        ("quarter-end", "quarter", -1),
        ("session 3 of month", "month", 3),
        ("session -2 of month", "month", -2),
        ("session 4 of week", "week", 4),
    ],
)
def test_days_with_a_calendar_are_the_librarys_sessions(exchange: str, days: str, period: str, number: int) -> None:
    """The first, last and nth sessions of their periods, at the close's distance, are those of the library's list."""
    schedule = parsed("UTC", exchange, at="close-10m", days=days)
    closes = {day: close for day, _, close in sessions(exchange)}
    # Periods that the library knows in part only are left out at both ends.
    after = datetime.combine(span(exchange)[0].replace(month=2), time(), UTC)
    until = datetime.combine(span(exchange)[1].replace(day=20), time(), UTC)
    expected = [
        at for day in nth(exchange, period, number) if after < (at := closes[day] - timedelta(minutes=10)) <= until
    ]

    found = list(slots_between(schedule, after, until))

    assert found == expected
    assert len(found) > 15
    assert count_slots(schedule, after, until) == len(found)
    assert last_slot(schedule, after, until) == found[-1]
    assert next_slot(schedule, found[0]) == found[1]


def test_an_interval_keeps_to_its_days() -> None:
    """On a month's last session an interval runs through the session, and on no other day."""
    schedule = parsed("America/New_York", "XNYS", every="1h", days="month-end")

    found = list(slots_between(schedule, datetime(2026, 1, 1, tzinfo=UTC), datetime(2027, 1, 1, tzinfo=UTC)))

    assert sorted(set(dates(found, "America/New_York"))) == [
        day for day in nth("XNYS", "month", -1) if day.year == 2026
    ]
    assert len(found) == 6 * 12  # from 10:00 to 15:00


@given(st.sampled_from(ZONES), st.frozensets(st.integers(0, 6), min_size=1), st.sampled_from(["1h", "1d"]))
@settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
def test_days_of_the_week_are_the_strategys_with_24_7(name: str, days: frozenset[int], every: str) -> None:
    """With the calendar 24/7 the days are those of the strategy's zone, as they are without a calendar."""
    words = ",".join(DAY_NAMES[day] for day in sorted(days))
    always, none = parsed(name, "24/7", every=every, days=words), parsed(name, every=every, days=words)
    after = FIRST + timedelta(days=300)

    found = list(slots_between(always, after, after + timedelta(days=60)))

    assert {slot.astimezone(zone(name)).weekday() for slot in found} == days
    assert found == list(slots_between(none, after, after + timedelta(days=60)))


@given(st.sampled_from(ZONES))
@settings(derandomize=True, deadline=None, max_examples=EXAMPLES)
def test_an_interval_of_a_day_is_the_strategys_midnight(name: str) -> None:
    """A day's interval falls on the first instant of each local date."""
    after = FIRST + timedelta(days=60)
    expected = [
        first_instant(datetime.combine((after + timedelta(days=n)).date(), time()), name) for n in range(3, 300)
    ]

    found = list(slots_between(parsed(name, every="1d"), expected[0] - timedelta(seconds=1), expected[-1]))

    assert found == expected


@pytest.mark.parametrize("exchange", FROM_OPEN)
@pytest.mark.parametrize("start,minutes", [("open", 0), ("open+15m", 15)])
@pytest.mark.parametrize("every", [7, 30, 90])
def test_an_interval_from_the_open(exchange: str, start: str, minutes: int, every: int) -> None:
    """Each session begins the interval anew at its open, or so long after it; the break and the close have no slot."""
    schedule = parsed("UTC", exchange, every=f"{every}m", **{"from": start})
    one = exchange_calendars.get_calendar(exchange, start="2026-10-01", end="2026-12-31", side="left")
    trading = {int(minute) for minute in one.minutes.astype("datetime64[s, UTC]").asi8 // 60}
    expected = []
    for opens, closes in zip(one.opens.dt.to_pydatetime(), one.closes.dt.to_pydatetime(), strict=True):
        at = opens + timedelta(minutes=minutes)
        while at < closes:
            if int(at.timestamp()) // 60 in trading:
                expected.append(at)
            at += timedelta(minutes=every)
    after, until = datetime(2026, 10, 5, tzinfo=UTC), datetime(2026, 12, 20, tzinfo=UTC)

    found = list(slots_between(schedule, after, until))

    assert found == [at for at in expected if after < at <= until]
    assert count_slots(schedule, after, until) == len(found)


@pytest.mark.parametrize(
    "day,clock,expected",
    [
        ("2026-11-22", "18:05", True),  # Sunday: the session of Monday has begun
        ("2026-11-20", "18:05", False),  # Friday: there is none on Saturday
        ("2026-11-21", "12:00", False),
        ("2026-11-23", "12:00", True),
    ],
)
def test_a_clock_time_of_a_session_that_begins_on_the_evening_before(day: str, clock: str, *, expected: bool) -> None:
    """From the evening's open on, a time belongs to the next session."""
    at = first_instant(datetime.fromisoformat(f"{day} {clock}"), "America/New_York")
    schedule = parsed("America/New_York", "CMES", at=clock)

    assert (next_slot(schedule, at - timedelta(seconds=1)) == at) == expected
