"""Calendars: the tables say what the library says, and what lies outside them is an error."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import NamedTuple

import exchange_calendars
import pytest

from openbell import calendars
from openbell.calendars import CalendarExpired, Session, UnknownCalendar

SCRIPT = Path(__file__).parents[2] / "scripts" / "generate-calendars"
EXCHANGES = ("XLON", "XNYS", "XTKS")
TABLES = tuple(name for name in calendars.names() if name != "24/7")
# All years of all exchanges take minutes: `make test-calendars` asks for them.
WHOLE = os.environ.get("OPENBELL_TEST_CALENDARS") == "whole"
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)


def utc(text: str) -> datetime:
    """Return "2024-07-03 17:00" as an aware instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def days(first: date, last: date) -> Iterator[date]:
    """Yield every day of a span."""
    for ordinal in range(first.toordinal(), last.toordinal() + 1):
        yield date.fromordinal(ordinal)


def from_library(name: str, first: date, last: date) -> dict[date, Session]:
    """Return all sessions of a span as exchange_calendars has them."""
    library = exchange_calendars.get_calendar(name, start=first.isoformat(), end=last.isoformat())
    early = {day.date() for day in library.early_closes}
    columns = library.schedule[["open", "close", "break_start", "break_end"]]
    sessions: dict[date, Session] = {}
    for day, *times in columns.astype(object).where(columns.notna(), None).itertuples():
        opens, closes, break_start, break_end = times
        sessions[day.date()] = Session(day.date(), opens, closes, break_start, break_end, day.date() in early)
    return sessions


@pytest.mark.parametrize("name", TABLES)
def test_every_day_is_as_the_library_has_it(name: str) -> None:
    """Opens, closes, breaks, early closes and closures agree with exchange_calendars on every day of two years, or of all."""
    calendar = calendars.load(name)
    first, last = calendar.valid_from, calendar.valid_through
    if not WHOLE:
        first, last = max(first, date(2025, 1, 1)), min(last, date(2026, 12, 31))
    expected = from_library(name, first, last)

    wrong = [day for day in days(first, last) if calendar.session(day) != expected.get(day)]

    assert wrong == []
    assert len(expected) > 240 * (last.year - first.year)


def test_every_exchange_of_the_library_has_a_table() -> None:
    """Each calendar of exchange_calendars can be named, by its own name and by every alias."""
    assert set(calendars.names()) == set(exchange_calendars.get_calendar_names(include_aliases=False))
    everything = exchange_calendars.get_calendar_names(include_aliases=True)
    assert {name: exchange_calendars.resolve_alias(name) for name in everything} == {
        **{name: name for name in calendars.names()},
        **calendars.aliases(),
    }


@pytest.mark.parametrize("name", EXCHANGES)
def test_every_year_of_the_range_has_its_holidays(name: str) -> None:
    """A library that knows no holidays in the last years would make them look open: each year must have seven."""
    calendar = calendars.load(name)
    closures: dict[int, int] = {}
    for day in days(calendar.valid_from, calendar.valid_through):
        if day.weekday() < 5 and calendar.session(day) is None:
            closures[day.year] = closures.get(day.year, 0) + 1

    assert sorted(closures) == list(range(2000, 2036))
    assert all(7 <= count <= 20 for count in closures.values()), closures


@pytest.mark.parametrize("year", range(2000, 2036))
def test_tokyo_is_closed_on_the_equinoxes(year: int) -> None:
    """Both equinoxes are closed, reckoned by a formula: the library lists them by hand, and such a list can end.

    The formula holds from 1980 to 2099; its source is the almanac handbook Shin Koyomi Benricho (Koseisha Koseikaku).
    """
    leap = (year - 1980) // 4
    calendar = calendars.load("XTKS")
    for month, base in ((3, 20.8431), (9, 23.2488)):
        equinox = date(year, month, int(base + 0.242194 * (year - 1980)) - leap)
        observed = equinox + DAY if equinox.weekday() == 6 else equinox
        assert calendar.session(observed) is None


# Written by hand, so that an error that the library and the tables share is seen too.
@pytest.mark.parametrize(
    "name,day,opens,closes,early_close",
    [
        ("XNYS", "2024-03-08", "14:30", "21:00", False),  # the last day of winter time
        ("XNYS", "2024-03-11", "13:30", "20:00", False),  # the first of summer time
        ("XNYS", "2024-07-03", "13:30", "17:00", True),
        ("XNYS", "2024-11-29", "14:30", "18:00", True),
        ("XNYS", "2026-12-24", "14:30", "18:00", True),
        ("XLON", "2024-03-28", "08:00", "16:30", False),
        ("XLON", "2024-04-02", "07:00", "15:30", False),
        ("XLON", "2024-12-24", "08:00", "12:30", True),
        ("XLON", "2023-12-29", "08:00", "12:30", True),  # New Year's Eve on the Friday before
        ("XTKS", "2024-11-01", "00:00", "06:00", False),
        ("XTKS", "2024-11-05", "00:00", "06:30", False),  # the close moved from 15:00 to 15:30
    ],
)
def test_hours_of_known_days(name: str, day: str, opens: str, closes: str, early_close: bool) -> None:
    """Known days have the hours that the exchange announced for them."""
    session = calendars.load(name).session(date.fromisoformat(day))

    assert session is not None
    assert (session.open, session.close) == (utc(f"{day} {opens}"), utc(f"{day} {closes}"))
    assert session.early_close == early_close


@pytest.mark.parametrize(
    "name,day",
    [
        ("XNYS", "2012-10-29"),  # Hurricane Sandy
        ("XNYS", "2018-12-05"),  # mourning
        ("XNYS", "2025-01-09"),  # mourning
        ("XNYS", "2022-06-20"),  # Juneteenth on the Monday after
        ("XNYS", "2026-07-03"),  # Independence Day on the Friday before
        ("XNYS", "2026-04-03"),  # Good Friday
        ("XNYS", "2026-11-21"),  # a Saturday
        ("XLON", "2020-05-08"),  # a bank holiday moved for an anniversary
        ("XLON", "2022-09-19"),  # a state funeral
        ("XLON", "2023-05-08"),  # a coronation
        ("XLON", "2027-12-28"),  # Boxing Day after a Christmas on a Saturday
        ("XTKS", "2019-05-01"),  # a new emperor
        ("XTKS", "2020-10-01"),  # the trading system failed
        ("XTKS", "2026-09-22"),  # between two holidays
        ("XTKS", "2026-12-31"),
        ("XSHG", "2026-10-07"),  # the golden week
        ("XETR", "2026-12-24"),
        ("XTAE", "2026-11-29"),  # a Sunday: since 2026 Tel Aviv trades from Monday to Friday
        ("ASEX", "2026-04-13"),  # Orthodox Easter Monday
    ],
)
def test_known_closures(name: str, day: str) -> None:
    """Known closures, the extraordinary ones too, have no session."""
    assert calendars.load(name).session(date.fromisoformat(day)) is None


def test_new_york_in_2022_did_not_move_new_years_day() -> None:
    """A New Year's Day on a Saturday is not moved to the Friday, unlike other holidays in New York."""
    assert calendars.load("XNYS").session(date(2021, 12, 31)) is not None


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


def test_the_package_stays_light() -> None:
    """Importing and using the calendars loads neither the libraries they were made with nor zoneinfo."""
    heavy = ("exchange_calendars", "pandas", "numpy", "zoneinfo")
    program = f"""
import sys
from datetime import date
from openbell import calendars
for name in calendars.names():
    calendars.load(name).session(date(2026, 11, 20))
print([name for name in {heavy} if name in sys.modules])
"""
    environment = {**os.environ, "PYTHONPATH": str(Path(calendars.__file__).parents[2])}
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False, timeout=30)

    assert (done.stdout.strip(), done.stderr) == ("[]", "")


def test_the_script_writes_the_tables_that_are_here(tmp_path: Path) -> None:
    """What scripts/generate-calendars writes with the library installed here is what the package has."""
    only = () if WHOLE else ("--only", "XNYS", "XTKS", "CMES")
    command = [sys.executable, str(SCRIPT), "--folder", str(tmp_path), *only]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=280)

    assert done.returncode == 0, done.stderr
    package = Path(calendars.__file__).parent
    written = {path.name for path in package.iterdir() if path.suffix in {".json", ".txt"}}
    found = {path.name for path in tmp_path.iterdir()}
    assert found == (written if WHOLE else {"XNYS.json", "XTKS.json", "CMES.json", "aliases.txt"})
    for path in tmp_path.iterdir():
        assert path.read_text() == (package / path.name).read_text(), f"run {SCRIPT.name} and look at the difference"
