"""Calendars: what lies outside their tables is an error, and what they answer at the edges of sessions."""

from datetime import UTC, date, datetime, timedelta
from itertools import islice
from typing import NamedTuple

import exchange_calendars
import pytest

from openbell import calendars
from openbell.calendars import CalendarExpired, Session, UnknownCalendar
from tests.unit.calendars.days import DAY, EXCHANGES, utc

SECOND = timedelta(seconds=1)


class Edge(NamedTuple):
    """An instant at which a market opens or stops trading."""

    name: str
    at: str
    opens: bool


@pytest.mark.parametrize(
    "edge",
    [
        Edge("XNYS", "2026-11-20 14:30", opens=True),
        Edge("XNYS", "2026-11-20 21:00", opens=False),
        Edge("XNYS", "2026-11-27 18:00", opens=False),  # an early close
        Edge("XLON", "2026-11-20 08:00", opens=True),
        Edge("XLON", "2026-11-20 16:30", opens=False),
        Edge("XTKS", "2026-11-20 00:00", opens=True),
        Edge("XTKS", "2026-11-20 02:30", opens=False),  # the break
        Edge("XTKS", "2026-11-20 03:30", opens=True),
        Edge("XTKS", "2026-11-20 06:30", opens=False),
        Edge("CMES", "2026-11-22 23:00", opens=True),  # Sunday 17:00 in Chicago
        Edge("CMES", "2026-11-20 23:00", opens=False),  # Friday 17:00
        Edge("CMES", "2026-11-27 18:00", opens=False),  # the day after Thanksgiving
        Edge("IEPA", "2026-11-17 23:00", opens=False),  # its daily break, 18:00 to 20:00 in New York
        Edge("IEPA", "2026-11-18 01:00", opens=True),
        Edge("24/5", "2026-11-23 00:00", opens=True),
        Edge("24/5", "2026-11-21 00:00", opens=False),
        Edge("XETR", "2026-11-20 16:30", opens=False),
        Edge("XHKG", "2026-11-20 04:00", opens=False),  # lunch
    ],
    ids=lambda edge: f"{edge.name} {edge.at}",
)
def test_is_open_changes_exactly_at_the_edge(edge: Edge) -> None:
    """A market is open from the instant of its open, and no longer at the instant of its close; so with the break."""
    calendar, at = calendars.load(edge.name), utc(edge.at)

    before, then, after = (calendar.is_open(at + shift) for shift in (-SECOND, timedelta(0), SECOND))

    assert (before, then, after) == (not edge.opens, edge.opens, edge.opens)


def test_is_open_takes_an_instant_in_any_zone() -> None:
    """The zone in which an instant is written changes nothing: Tokyo trades on its Tuesday, New York's Monday."""
    at = utc("2026-11-24 00:30")
    new_york = exchange_calendars.get_calendar("XNYS").tz

    assert at.astimezone(new_york).date() == date(2026, 11, 23)
    assert calendars.load("XTKS").is_open(at.astimezone(new_york))
    assert not calendars.load("XTKS").is_open(at.astimezone(new_york) - DAY)  # Labor Thanksgiving Day in Tokyo


def test_is_open_refuses_a_naive_time() -> None:
    """A time without a zone is an error, not a guess."""
    with pytest.raises(ValueError, match=r"is_open needs an aware time, got 2026-11-20T10:00:00"):
        calendars.load("XNYS").is_open(datetime(2026, 11, 20, 10))  # noqa: DTZ001


@pytest.mark.parametrize("name", EXCHANGES)
def test_a_day_outside_the_range_is_an_error(name: str) -> None:
    """Before the first day and after the last, every question raises; on both of them, none does."""
    calendar = calendars.load(name)
    calendar.session(calendar.valid_from)
    calendar.session(calendar.valid_through)

    for day in (calendar.valid_from - DAY, calendar.valid_through + DAY):
        with pytest.raises(CalendarExpired):
            calendar.session(day)
        with pytest.raises(CalendarExpired):
            calendar.is_open(datetime(day.year, day.month, day.day, 12, tzinfo=UTC))
        with pytest.raises(CalendarExpired):
            list(calendar.sessions(day, day))


def test_an_expired_calendar_says_what_to_do() -> None:
    """The message is one line with the calendar, the day, the range and the remedy."""
    with pytest.raises(CalendarExpired) as caught:
        calendars.load("XNYS").session(date(2036, 1, 2))

    assert str(caught.value) == (
        "calendar XNYS does not know 2036-01-02: it is valid from 2000-01-01 through 2035-12-31; "
        "update openbell, or write a longer table with scripts/generate-calendars"
    )


def test_a_day_long_after_the_end_points_at_the_clock() -> None:
    """A clock that is ten years ahead asks for days beyond the calendar's end: the message names it."""
    with pytest.raises(CalendarExpired, match="the machine's clock is the likely cause: see that it is right"):
        calendars.load("XLON").session(date(2036, 11, 26))


def test_a_shortened_day_knows_its_regular_hours() -> None:
    """On a half day the hours between the early close and the regular one are those that are missing."""
    session = calendars.load("XNYS").session(date(2026, 11, 27))

    assert session is not None
    assert [session.is_shortened_at(utc(f"2026-11-27 {at}")) for at in ("17:59", "18:00", "20:59", "21:00")] == [
        False,
        True,
        True,
        False,
    ]


def test_sessions_gives_what_it_knows_before_it_raises() -> None:
    """A walk past the end yields the sessions up to it, then raises: it never just stops."""
    sessions = calendars.load("XLON").sessions(date(2035, 12, 28), date(2036, 1, 4))

    assert [session.date for session in islice(sessions, 2)] == [date(2035, 12, 28), date(2035, 12, 31)]
    with pytest.raises(CalendarExpired, match="2036-01-01"):
        next(sessions)


def test_sessions_are_the_open_days_in_order() -> None:
    """Weekends and holidays are left out, both ends are included, and an empty span has none."""
    calendar = calendars.load("XNYS")
    walked = list(calendar.sessions(date(2026, 11, 25), date(2026, 11, 30)))

    assert [session.date.day for session in walked] == [25, 27, 30]
    assert [session.early_close for session in walked] == [False, True, False]
    assert list(calendar.sessions(date(2026, 11, 30), date(2026, 11, 25))) == []


def test_session_refuses_a_datetime() -> None:
    """A datetime is a date to Python, but its local date depends on a zone: passing one is an error."""
    with pytest.raises(TypeError):
        calendars.load("XNYS").session(utc("2026-11-26 15:00"))


@pytest.mark.parametrize("day", [date(1, 1, 1), date(2000, 2, 29), date(2026, 3, 29), date(2026, 11, 21)])
def test_always_open_has_a_session_on_every_day(day: date) -> None:
    """The calendar "24/7" has a session from one UTC midnight to the next, on every day."""
    calendar = calendars.load("24/7")
    midnight = datetime(day.year, day.month, day.day, tzinfo=UTC)

    assert calendar.session(day) == Session(day, midnight, midnight + DAY, None, None, early_close=False)
    assert calendar.is_open(midnight)
    assert calendar.is_open(midnight + DAY - SECOND)


def test_always_open_ends_with_the_last_session_that_has_a_close() -> None:
    """The calendar "24/7" goes as far as a datetime does, and its end is the same clear error as any other's."""
    calendar = calendars.load("24/7")
    last = calendar.session(calendar.valid_through)

    assert calendar.valid_from == date.min
    assert last is not None
    assert last.close == datetime(9999, 12, 31, tzinfo=UTC)
    with pytest.raises(CalendarExpired):
        calendar.session(date.max)


def test_names_lists_every_calendar() -> None:
    """The names are sorted, and each can be loaded under its own name."""
    assert len(calendars.names()) == 71
    assert list(calendars.names()) == sorted(calendars.names())
    assert tuple(calendars.load(name).name for name in calendars.names()) == calendars.names()


@pytest.mark.parametrize("name", ["XXXX", "xnys", "", "../calendars/XNYS"])
def test_an_unknown_calendar_is_an_error_that_lists_the_known(name: str) -> None:
    """An unknown name is an error; a path is not a name."""
    with pytest.raises(UnknownCalendar) as caught:
        calendars.load(name)

    assert str(caught.value) == f'unknown calendar "{name}"; known: {", ".join(calendars.names())}'


def test_load_returns_the_same_calendar_each_time() -> None:
    """A table is read once."""
    assert calendars.load("XNYS") is calendars.load("XNYS")
