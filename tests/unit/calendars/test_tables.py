"""The calendars' tables say what the library says."""

import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import exchange_calendars
import pytest

from openbell import calendars
from openbell.calendars import Session
from tests.unit.calendars.days import DAY, EXCHANGES, utc

SCRIPT = Path(__file__).parents[3] / "scripts" / "generate-calendars"
TABLES = tuple(name for name in calendars.names() if name != "24/7")

# All years of all exchanges take minutes: `make test-calendars` asks for them.
WHOLE = os.environ.get("OPENBELL_TEST_CALENDARS") == "whole"
LONG = 3_600 if WHOLE else 280  # seconds for the script: a machine may have much else to do


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

    # The library does not tell the regular hours of unusual days, which our sessions end with.
    wrong = [day for day in days(first, last) if (calendar.session(day) or ())[:6] != (expected.get(day) or ())[:6]]

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
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=LONG)

    assert done.returncode == 0, done.stderr
    package = Path(calendars.__file__).parent
    written = {path.name for path in package.iterdir() if path.suffix in {".json", ".txt"}}
    found = {path.name for path in tmp_path.iterdir()}
    assert found == (written if WHOLE else {"XNYS.json", "XTKS.json", "CMES.json", "aliases.txt"})
    for path in tmp_path.iterdir():
        assert path.read_text() == (package / path.name).read_text(), f"run {SCRIPT.name} and look at the difference"
