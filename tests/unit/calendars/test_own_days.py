"""The user's own closures and early closes: read, checked, obeyed by calendars, and followed in the control space."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest

from openbell import calendars
from openbell.calendars import OwnDays
from openbell.calendars.ending import endings
from openbell.calendars.own_days import OwnDaysError, read
from openbell.commands import calendar as calendar_command
from openbell.commands import check
from openbell.commands import own_days as own_days_command
from openbell.manifest import load, load_all
from openbell.own_days_file import OwnDaysFile, publish_own_days
from openbell.slots import next_slot
from tests.unit.slots.oracle import parsed

DAYS = """
[XNYS]
closures = ["2026-12-09", 2026-12-10]
early_closes = { "2026-12-23" = "13:00" }

[CME]
closures = ["2026-12-09"]
"""


@pytest.fixture(autouse=True)
def _nothing_stays() -> Iterator[None]:
    """Each test leaves the calendars as it found them."""
    yield
    calendars.use({})


def write(folder: Path, text: str) -> Path:
    """Write a calendar.toml and return its path."""
    path = folder / "calendar.toml"
    path.write_text(text)
    return path


def utc(text: str) -> datetime:
    """Return a text as an aware instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def test_a_file_is_read_whole(tmp_path: Path) -> None:
    """Dates may stand with or without quotes, and an exchange may have its other name."""
    assert read(write(tmp_path, DAYS)) == {
        "XNYS": OwnDays(frozenset({date(2026, 12, 9), date(2026, 12, 10)}), {date(2026, 12, 23): time(13)}),
        "CMES": OwnDays(frozenset({date(2026, 12, 9)}), {}),
    }


def test_no_file_is_no_days(tmp_path: Path) -> None:
    """Nothing need be written."""
    assert read(tmp_path / "calendar.toml") == {}


@pytest.mark.parametrize(
    "text,problem",
    [
        ("[XXXX]", "calendar.toml: XXXX: found an unknown calendar; allowed: the name of an exchange's, as in [XNYS]"),
        ("[XNYS]\nclosed = []", "calendar.toml: XNYS.closed: found an unknown key; allowed: closures, early_closes"),
        ("[XNYS]\nclosures = ['soon']", "calendar.toml: XNYS.closures: found ['soon']; allowed: a list of dates"),
        ("[XNYS]\nearly_closes = { '2026-12-23' = '1pm' }", "calendar.toml: XNYS.early_closes: found"),
        ("[XNYS]\nearly_closes = { '2040-12-23' = '13:00' }", "allowed: days from 2000-01-01 through 2035-12-31"),
        ("XNYS = 5", "calendar.toml: XNYS: found 5; allowed: a table with closures and early_closes"),
        ("x = ", "calendar.toml: file: found"),
    ],
)
def test_a_wrong_file_says_what_is_allowed(tmp_path: Path, text: str, problem: str) -> None:
    """Each problem is one line, also among those that `make check` prints."""
    path = write(tmp_path, text)

    with pytest.raises(OwnDaysError) as caught:
        read(path)

    assert problem in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1
    _, errors = load_all(tmp_path)
    assert [problem in str(error) for error in errors] == [True]


def test_slots_obey_closures_and_early_closes() -> None:
    """A closed day has no slot, a close-10m follows an early close, and a time behind it is none."""
    at, close = parsed("America/New_York", "XNYS", at="15:50"), parsed("America/New_York", "XNYS", at="close-10m")
    before = next_slot(at, utc("2026-12-08 22:00"))

    calendars.use({"XNYS": OwnDays(frozenset({date(2026, 12, 9)}), {date(2026, 12, 23): time(13)})})

    assert before == utc("2026-12-09 20:50")
    assert next_slot(at, utc("2026-12-08 22:00")) == utc("2026-12-10 20:50")
    assert next_slot(close, utc("2026-12-22 22:00")) == utc("2026-12-23 17:50")
    assert next_slot(at, utc("2026-12-22 22:00")) == utc("2026-12-28 20:50")


def test_a_running_process_follows_the_control_space(tmp_path: Path) -> None:
    """What is published holds at the next look, what is withdrawn no longer, and a torn file changes nothing."""
    followed = OwnDaysFile(tmp_path)
    schedule = parsed("America/New_York", "XNYS", at="09:35")

    assert not followed.reload()
    publish_own_days(tmp_path, {"XNYS": OwnDays(frozenset({date(2026, 12, 9)}), {})})
    assert followed.reload()
    assert next_slot(schedule, utc("2026-12-08 22:00")) == utc("2026-12-10 14:35")

    (tmp_path / "calendar.json").write_text("{")
    assert not followed.reload()
    assert followed.problem
    assert next_slot(schedule, utc("2026-12-08 22:00")) == utc("2026-12-10 14:35")

    (tmp_path / "calendar.json").unlink()
    assert followed.reload()
    assert next_slot(schedule, utc("2026-12-08 22:00")) == utc("2026-12-09 14:35")


def test_the_command_publishes_what_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """`openbell own-days` writes into the control space, and refuses what is wrong with one line."""
    monkeypatch.setenv("OPENBELL_CONTROL", str(tmp_path / "control"))

    assert own_days_command.main(['{"XNYS": {"closures": ["2026-12-09"]}}']) == 0
    assert own_days_command.main(['{"XNYS": {"closures": ["soon"]}}']) == 1

    assert OwnDaysFile(tmp_path / "control").reload()
    told = capsys.readouterr()
    assert told.out == "calendar.toml: 1 closures and 0 early closes of XNYS hold now\n"
    assert told.err.count("\n") == 1


def test_the_calendar_is_shown() -> None:
    """Coming sessions, half days and closures are listed, those of the user marked."""
    calendars.use({"XNYS": OwnDays(frozenset({date(2026, 12, 9)}), {})})

    lines = list(calendar_command.lines(calendars.load("XNYS"), utc("2026-11-26 12:00")))

    assert lines[:2] == [
        "XNYS (America/New_York), known through 2035-12-31",
        "  Fri 2026-11-27 09:30 to 13:00",
    ]
    assert "  Thu 2026-11-26 closed" in lines
    assert "  Fri 2026-11-27 half day: closes at 13:00" in lines
    assert "  Wed 2026-12-09 closed, by calendar.toml" in lines


def test_a_calendar_that_ends_soon_is_told() -> None:
    """Within 90 days of its end, a calendar's first lines say so."""
    lines = list(calendar_command.lines(calendars.load("XBOM"), utc("2026-11-26 12:00")))

    assert lines[1] == "  it ends within 90 days, on 2026-12-31: update openbell"


def test_holidays_that_are_not_known_any_more_are_told_until_they_are_written() -> None:
    """Where holidays follow no rule, what the user adds counts as knowledge."""
    today = date(2026, 11, 26)
    told = list(endings(calendars.load("XIDX"), today))
    end = calendars.load("XIDX").holidays_through
    assert end is not None
    assert bool(told) == (end - today <= timedelta(days=90))
    assert list(endings(calendars.load("XIDX"), end)) == [
        (
            f"holidays that follow no rule are known through {end}: write those that follow into strategies/calendar.toml, "
            "below [XIDX]"
        )
    ]
    calendars.use({"XIDX": OwnDays(frozenset({end + timedelta(days=200)}), {})})
    assert list(endings(calendars.load("XIDX"), end)) == []


def test_check_tells_of_a_calendar_that_ends_soon(tmp_path: Path) -> None:
    """With the strategy that has it."""
    folder = tmp_path / "demo"
    folder.mkdir()
    (folder / "strategy.toml").write_text(
        'timezone = "Asia/Kolkata"\ncalendar = "XBOM"\n[[bot]]\nsymbols = ["A"]\nat = "10:00"\n'
    )
    assert list(check.notes(load(folder), utc("2026-11-26 12:00"))) == [
        "demo/strategy.toml: calendar XBOM: it ends within 90 days, on 2026-12-31: update openbell"
    ]
