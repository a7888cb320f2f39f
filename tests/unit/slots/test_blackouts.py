"""Windows without slots: how they are written, where they lie, and that no slot falls into one."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from dateutil.rrule import WEEKLY, rrule
from hypothesis import given, settings
from hypothesis import strategies as st

from openbell.commands import check
from openbell.commands import next as next_command
from openbell.manifest import ManifestError, Schedule, load, windows
from openbell.slots import count_slots, last_slot, next_slot, slots_between
from tests.unit.slots.oracle import FIRST, WHOLE, first_instant, parsed, zone
from tests.unit.strategy_file import write

WEEKEND = "fri 21:55 - sun 22:05 America/New_York"
ANNOUNCEMENT = "2026-12-16 13:55 - 14:30 America/New_York"


def utc(text: str) -> datetime:
    """Return a text as an aware instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def with_blackout(*texts: str, **keys: object) -> Schedule:
    """Return a schedule in New York's zone with windows."""
    found = windows.windows(list(texts))
    assert found is not None
    return replace(parsed("America/New_York", None, **keys), blackout=found)


@pytest.mark.parametrize(
    "text",
    [
        "fri 21:55 - sun 22:05",
        "fri 21:55 - sun 22:05 Mars/Base",
        "fri 9:55 - sun 22:05 UTC",
        "friday 21:55 - sun 22:05 UTC",
        "fri 21:55 - fri 21:55 UTC",
        "daily 10:00 - 10:00 UTC",
        "daily 10:00 - sun 11:00 UTC",
        "2026-12-16 13:55 - 2026-12-16 13:00 UTC",
        "2026-13-16 13:55 - 14:30 UTC",
        "",
        5,
    ],
)
def test_what_is_no_window(text: object) -> None:
    """A window needs two times and a zone, and some length."""
    assert windows.window(text) is None


@pytest.mark.parametrize(
    "at,covered",
    [
        ("2026-11-21 02:54", False),
        ("2026-11-21 02:55", True),  # Friday 21:55 in New York
        ("2026-11-23 03:04", True),
        ("2026-11-23 03:05", False),  # Sunday 22:05
        ("2026-12-16 18:55", True),
        ("2026-12-16 19:30", False),
    ],
)
def test_where_windows_lie(at: str, *, covered: bool) -> None:
    """A window covers its first instant and not its last, in its own zone."""
    found = windows.windows([WEEKEND, ANNOUNCEMENT])
    assert found is not None

    assert (windows.covering(found, utc(at)) is not None) == covered


@pytest.mark.parametrize(
    "keys", [{"every": "5m"}, {"every": "1h", "offset": "5s"}, {"at": ["21:55", "22:05", "12:00"]}]
)
def test_no_slot_falls_into_a_window(keys: dict[str, object]) -> None:
    """The slots are those without the windows, less those that they cover; counts and newest slots agree."""
    schedule, free = with_blackout(WEEKEND, ANNOUNCEMENT, **keys), parsed("America/New_York", None, **keys)
    after, until = utc("2026-11-15"), utc("2026-12-20")
    expected = [slot for slot in slots_between(free, after, until) if windows.covering(schedule.blackout, slot) is None]

    found = list(slots_between(schedule, after, until))

    assert found == expected
    assert 0 < len(found) < count_slots(free, after, until)
    assert count_slots(schedule, after, until) == len(found)
    assert last_slot(schedule, after, until) == found[-1]
    assert next_slot(schedule, after) == found[0]


@given(
    st.integers(0, 6), st.integers(0, 23), st.integers(1, 150), st.sampled_from(["UTC", "Europe/Berlin", "Asia/Tokyo"])
)
@settings(derandomize=True, deadline=None, max_examples=500 if WHOLE else 30)
def test_a_weeks_window_is_where_rrule_has_it(day: int, hour: int, hours: int, name: str) -> None:
    """Over years, the windows of a week begin when dateutil's weekly rule does, and last as long on the wall."""
    names = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
    ends = datetime(2024, 1, 1 + day, hour) + timedelta(hours=hours)  # noqa: DTZ001 - a wall clock's Monday
    text = f"{names[day]} {hour:02}:30 - {names[ends.weekday()]} {ends.hour:02}:30 {name}"
    found = windows.window(text)
    assert found is not None
    until = FIRST + timedelta(days=800)
    local = rrule(WEEKLY, byweekday=day, dtstart=datetime(2020, 1, 6, hour, 30), count=100)  # noqa: DTZ001 - as above

    spans = windows.spans([found], FIRST + timedelta(days=20), until)

    starts = {start for start, _ in spans}
    # Where the clock jumps over the hour, the window begins with the jump.
    expected = {first_instant(at, name) for at in local if datetime(2020, 1, 31) < at < datetime(2021, 11, 1)}  # noqa: DTZ001
    assert expected <= starts
    assert {start.astimezone(zone(name)).weekday() for start in starts} == {day}


GOOD = f"""
timezone = "America/New_York"
calendar = "XNYS"
blackout = ["{WEEKEND}"]

[[bot]]
symbols = ["AAPL"]
at = "15:50"
"""


def test_a_manifest_and_the_environment_name_windows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of the strategy and those of the whole installation hold together."""
    monkeypatch.setenv("OPENBELL_BLACKOUT", f"{ANNOUNCEMENT}, daily 10:00 - 11:00 UTC")

    found = load(write(tmp_path, GOOD)).bots[0].schedule.blackout

    assert [one.text for one in found] == [WEEKEND, ANNOUNCEMENT, "daily 10:00 - 11:00 UTC"]


def test_a_wrong_setting_is_one_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A window in .env that cannot be read says where it stands and what is allowed."""
    monkeypatch.setenv("OPENBELL_BLACKOUT", "weekends")

    with pytest.raises(ManifestError) as caught:
        load(write(tmp_path, GOOD))

    assert str(caught.value).startswith('.env: OPENBELL_BLACKOUT: found "weekends"; allowed: windows with commas')


def test_next_and_check_tell_of_windows_and_half_days(tmp_path: Path) -> None:
    """`make next` shows the coming window, and `make check` the time that half days pass over."""
    manifest = load(write(tmp_path, GOOD))

    lines = list(next_command.lines(manifest.bots[0], utc("2026-11-26 12:00"), 2))
    notes = list(check.half_days(manifest, utc("2026-11-26 12:00")))

    assert lines[0].endswith(f"no slots from Fri 2026-11-27 21:55 to Sun 2026-11-29 22:05 EST: blackout {WEEKEND}")
    assert "Mon 2026-11-30 15:50:00 EST" in lines[1]
    assert notes == [
        (
            "demo/strategy.toml: bot demo: 15:50 is passed over on half days, next on 2026-11-27; "
            'at = "close-10m" follows them, early_close = "run" keeps the time'
        )
    ]


def test_next_says_when_a_stream_is_stopped(tmp_path: Path) -> None:
    """A stream has no slots: its window is when it does not run."""
    manifest = load(write(tmp_path, GOOD.replace('at = "15:50"', 'kind = "stream"')))

    coming = list(next_command.lines(manifest.bots[0], utc("2026-11-26 12:00"), 2))
    current = list(next_command.lines(manifest.bots[0], utc("2026-11-28 12:00"), 2))

    assert [line.split(maxsplit=1)[1] for line in (*coming, *current)] == [
        f"stopped from Fri 2026-11-27 21:55 to Sun 2026-11-29 22:05 EST: blackout {WEEKEND}",
        f"stopped until Sun 2026-11-29 22:05 EST: blackout {WEEKEND}",
    ]
