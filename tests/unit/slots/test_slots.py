"""Slots: tables of known instants, and what holds of any schedule. The other test_slots_* files ask more."""

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from openbell.manifest import Anchor, Schedule
from openbell.slots import local_instant, next_slot, slots_between
from tests.unit.slots.oracle import DAY, parsed

HOUR = timedelta(hours=1)
EVERY_SECOND = parsed("UTC", every="1s")


def utc(text: str) -> datetime:
    """Return "2026-11-20 14:35" as an aware instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def shown(schedule: Schedule, after: str, until: str) -> list[str]:
    """Return the slots of a span given in UTC as "11-20 14:35", seconds only where there are any."""
    found = slots_between(schedule, utc(after), utc(until))
    return [f"{slot:%m-%d %H:%M:%S}".removesuffix(":00") for slot in found]


@pytest.mark.parametrize(
    "timezone,at,after,until,expected",
    [
        # New York, 2026-03-08: 02:00 to 03:00 does not exist.
        ("America/New_York", "01:59:59", "2026-03-07", "2026-03-10", ["03-07 06:59:59", "03-08 06:59:59", "03-09 05:59:59"]),
        ("America/New_York", "02:00", "2026-03-07", "2026-03-10", ["03-07 07:00", "03-08 07:00", "03-09 06:00"]),
        ("America/New_York", "02:30", "2026-03-07", "2026-03-10", ["03-07 07:30", "03-08 07:00", "03-09 06:30"]),
        ("America/New_York", "02:59:59", "2026-03-07", "2026-03-10", ["03-07 07:59:59", "03-08 07:00", "03-09 06:59:59"]),
        ("America/New_York", "03:00", "2026-03-07", "2026-03-10", ["03-07 08:00", "03-08 07:00", "03-09 07:00"]),
        # New York, 2026-11-01: 01:00 to 02:00 exists twice.
        ("America/New_York", "00:59:59", "2026-11-01", "2026-11-03", ["11-01 04:59:59", "11-02 05:59:59"]),
        ("America/New_York", "01:00", "2026-11-01", "2026-11-03", ["11-01 05:00", "11-02 06:00"]),
        ("America/New_York", "01:30", "2026-11-01", "2026-11-03", ["11-01 05:30", "11-02 06:30"]),
        ("America/New_York", "01:59:59", "2026-11-01", "2026-11-03", ["11-01 05:59:59", "11-02 06:59:59"]),
        ("America/New_York", "02:00", "2026-11-01", "2026-11-03", ["11-01 07:00", "11-02 07:00"]),
        # Berlin, 2026-03-29 and 2026-10-25.
        ("Europe/Berlin", "02:30", "2026-03-28", "2026-03-31", ["03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        ("Europe/Berlin", "02:30", "2026-10-24", "2026-10-27", ["10-24 00:30", "10-25 00:30", "10-26 01:30"]),
        ("Europe/Berlin", "03:00", "2026-10-24", "2026-10-27", ["10-24 01:00", "10-25 02:00", "10-26 02:00"]),
        # Lord Howe moves by half an hour: 2026-04-05 repeats 01:30 to 02:00, 2026-10-04 skips 02:00 to 02:30.
        ("Australia/Lord_Howe", "01:29", "2026-04-03", "2026-04-05", ["04-03 14:29", "04-04 14:29"]),
        ("Australia/Lord_Howe", "01:45", "2026-04-03", "2026-04-06", ["04-03 14:45", "04-04 14:45", "04-05 15:15"]),
        ("Australia/Lord_Howe", "02:00", "2026-04-03", "2026-04-06", ["04-03 15:00", "04-04 15:30", "04-05 15:30"]),
        ("Australia/Lord_Howe", "02:15", "2026-10-02", "2026-10-05", ["10-02 15:45", "10-03 15:30", "10-04 15:15"]),
        ("Australia/Lord_Howe", "02:29:59", "2026-10-02", "2026-10-04", ["10-02 15:59:59", "10-03 15:30"]),
        ("Australia/Lord_Howe", "02:30", "2026-10-02", "2026-10-05", ["10-02 16:00", "10-03 15:30", "10-04 15:30"]),
        # Nuuk skips the last hour of Saturday, 2026-03-28: the first instant after it is Sunday's midnight.
        ("America/Nuuk", "23:30", "2026-03-27", "2026-03-31", ["03-27 01:30", "03-28 01:30", "03-29 01:00", "03-30 00:30"]),
        # Troll moves by two hours.
        ("Antarctica/Troll", "01:30", "2026-03-28", "2026-03-31", ["03-28 01:30", "03-29 01:00", "03-29 23:30", "03-30 23:30"]),
        # Cairo skips the first hour of Friday, 2026-04-24.
        ("Africa/Cairo", "00:00", "2026-04-22", "2026-04-25", ["04-22 22:00", "04-23 22:00", "04-24 21:00"]),
        ("Africa/Cairo", "00:59", "2026-04-22", "2026-04-25", ["04-22 22:59", "04-23 22:00", "04-24 21:59"]),
        # No clock changes in Kolkata, and a quarter hour that is not on the hour in Kathmandu.
        ("Asia/Kolkata", "00:15", "2026-03-28", "2026-03-30", ["03-28 18:45", "03-29 18:45"]),
        ("Asia/Kathmandu", "00:00", "2026-03-28", "2026-03-30", ["03-28 18:15", "03-29 18:15"]),
        ("UTC", "00:00", "2026-12-30", "2027-01-01", ["12-31 00:00", "01-01 00:00"]),
    ],
)  # fmt: skip
def test_a_daily_time_at_a_clock_change(timezone: str, at: str, after: str, until: str, expected: list[str]) -> None:
    """In a gap the slot is the first instant after it, in a fold the first of the two; each date has one slot."""
    assert shown(parsed(timezone, at=at), after, until) == expected


def test_two_times_in_one_gap_are_one_slot() -> None:
    """Times that a gap moves to one instant make one slot: a slot's identity is its instant."""
    schedule = parsed("Europe/Berlin", at=["02:00", "02:30", "03:00"])

    assert shown(schedule, "2026-03-28 12:00", "2026-03-29 12:00") == ["03-29 01:00"]
    assert shown(schedule, "2026-10-24 12:00", "2026-10-25 12:00") == ["10-25 00:00", "10-25 00:30", "10-25 02:00"]


def test_a_slot_moved_past_midnight_belongs_to_its_own_day() -> None:
    """Saturday's 23:30, which Nuuk skips, runs at Sunday's midnight for Saturday's sake, and never for Sunday's."""
    assert shown(parsed("America/Nuuk", at="23:30", days="sat"), "2026-03-27", "2026-03-31") == ["03-29 01:00"]
    assert shown(parsed("America/Nuuk", at="23:30", days="sun"), "2026-03-27", "2026-03-31") == ["03-30 00:30"]


@pytest.mark.parametrize("is_gap,change", [(True, "2026-03-08 07:00"), (False, "2026-11-01 06:00")])
@pytest.mark.parametrize("every", ["1m", "15m", "1h", "4h", "12h"])
def test_an_interval_does_not_notice_a_clock_change(every: str, *, is_gap: bool, change: str) -> None:
    """Intervals are elapsed time: no hole in autumn, no double in spring, on the grid of the day in UTC."""
    schedule = parsed("America/New_York", every=every)
    around = list(slots_between(schedule, utc(change) - 2 * DAY, utc(change) + 2 * DAY))

    assert {later - earlier for earlier, later in pairwise(around)} == {schedule.every}
    assert around == list(slots_between(parsed("UTC", every=every), utc(change) - 2 * DAY, utc(change) + 2 * DAY))


@pytest.mark.parametrize(
    "keys,after,until,expected",
    [
        ({"every": "15m"}, "2026-11-20 12:00", "2026-11-20 12:45", ["11-20 12:15", "11-20 12:30", "11-20 12:45"]),
        (
            {"every": "15m", "offset": "5s"},
            "2026-11-20 12:00",
            "2026-11-20 12:20",
            ["11-20 12:00:05", "11-20 12:15:05"],
        ),
        ({"every": "15m", "offset": "5s"}, "2026-11-20 12:00:05", "2026-11-20 12:15:05", ["11-20 12:15:05"]),
        ({"every": "8h", "offset": "90m"}, "2026-11-20", "2026-11-21", ["11-20 01:30", "11-20 09:30", "11-20 17:30"]),
        ({"every": "1d"}, "2026-11-20", "2026-11-22", ["11-21 00:00", "11-22 00:00"]),
        ({"every": "45m"}, "2026-11-20 23:00", "2026-11-21 01:00", ["11-20 23:15", "11-21 00:00", "11-21 00:45"]),
        ({"every": "8h", "days": "sat"}, "2026-11-19", "2026-11-24", ["11-21 00:00", "11-21 08:00", "11-21 16:00"]),
        ({"every": "1d", "offset": "0s"}, "2026-11-20", "2026-11-20", []),
    ],
)
def test_intervals(keys: dict[str, str], after: str, until: str, expected: list[str]) -> None:
    """Intervals lie on one grid, moved by the offset; a span has its end, but not its beginning."""
    assert shown(parsed("UTC", **keys), after, until) == expected


def test_days_of_an_interval_are_local_days() -> None:
    """A Sunday in New York is 23 hours long in spring and 25 in autumn, and begins at its own midnight."""
    sundays = parsed("America/New_York", every="1h", days="sun")

    spring, autumn = (
        list(slots_between(sundays, utc(day), utc(day) + 3 * DAY)) for day in ("2026-03-07", "2026-10-31")
    )

    assert (len(spring), spring[0], spring[-1]) == (23, utc("2026-03-08 05:00"), utc("2026-03-09 03:00"))
    assert (len(autumn), autumn[0], autumn[-1]) == (25, utc("2026-11-01 04:00"), utc("2026-11-02 04:00"))


@pytest.mark.parametrize(
    "at,expected",
    [
        # Thanksgiving week 2026: Thursday is closed, Friday closes at 13:00.
        ("open", ["11-25 14:30", "11-27 14:30", "11-30 14:30"]),
        ("open+5m", ["11-25 14:35", "11-27 14:35", "11-30 14:35"]),
        ("open-30m", ["11-25 14:00", "11-27 14:00", "11-30 14:00"]),
        ("close", ["11-25 21:00", "11-27 18:00", "11-30 21:00"]),
        ("close-10m", ["11-25 20:50", "11-27 17:50", "11-30 20:50"]),
        ("close+1500ms", ["11-25 21:00:01", "11-27 18:00:01", "11-30 21:00:01"]),
        ("09:35", ["11-25 14:35", "11-27 14:35", "11-30 14:35"]),
        ("15:30", ["11-25 20:30", "11-30 20:30"]),  # on the 27th New York closes at 13:00
        ("16:00", ["11-25 21:00", "11-27 21:00", "11-30 21:00"]),  # after the close on any day
    ],
)
def test_anchors_follow_the_calendar(at: str, expected: list[str]) -> None:
    """Open and close are those of each session, early closes included; a day without a session has no slot."""
    assert shown(parsed("America/New_York", "XNYS", at=at), "2026-11-25", "2026-12-01") == expected


def test_an_anchor_may_fall_on_another_date_than_its_session() -> None:
    """Eleven hours before Tokyo opens is the day before, and the day is that on which it opens."""
    schedule = parsed("Asia/Tokyo", "XTKS", at="open-11h", days="mon")

    assert shown(schedule, "2026-11-13", "2026-11-18") == ["11-15 13:00"]


def test_a_clock_time_on_a_calendar_is_read_in_the_manifests_zone() -> None:
    """22:00 in Tokyo on the date of a session in New York, Thanksgiving left out."""
    assert shown(parsed("Asia/Tokyo", "XNYS", at="22:00"), "2026-11-25", "2026-11-28") == ["11-25 13:00", "11-27 13:00"]


@pytest.mark.parametrize(
    "calendar,keys,after,until,expected",
    [
        # Open <= t < close: the open has a slot, the close has none.
        ("XNYS", {"every": "30m"}, "2026-11-25 20:15", "2026-11-27 15:15", ["11-25 20:30", "11-27 14:30", "11-27 15:00"]),
        ("XNYS", {"every": "1h"}, "2026-11-27", "2026-11-28", ["11-27 15:00", "11-27 16:00", "11-27 17:00"]),
        ("XLON", {"every": "4h"}, "2026-12-24", "2026-12-30", ["12-24 08:00", "12-24 12:00", "12-29 08:00", "12-29 12:00", "12-29 16:00"]),
        # Tokyo breaks from 11:30 to 12:30 (02:30 to 03:30 UTC) and closes at 15:30.
        ("XTKS", {"every": "30m"}, "2026-11-20 01:45", "2026-11-20 04:15", ["11-20 02:00", "11-20 03:30", "11-20 04:00"]),
        ("XTKS", {"every": "30m"}, "2026-11-20 05:45", "2026-11-24 00:15", ["11-20 06:00", "11-24 00:00"]),
        ("XTKS", {"every": "1h", "offset": "1790s"}, "2026-11-20", "2026-11-21", ["11-20 00:29:50", "11-20 01:29:50", "11-20 02:29:50", "11-20 04:29:50", "11-20 05:29:50", "11-20 06:29:50"]),
        ("XNYS", {"every": "4h", "days": "tue"}, "2026-11-20", "2026-12-05", ["11-24 16:00", "11-24 20:00", "12-01 16:00", "12-01 20:00"]),
        ("24/7", {"every": "12h"}, "2026-11-21", "2026-11-23", ["11-21 12:00", "11-22 00:00", "11-22 12:00", "11-23 00:00"]),
    ],
)  # fmt: skip
def test_intervals_on_a_calendar(
    calendar: str, keys: dict[str, str], after: str, until: str, expected: list[str]
) -> None:
    """With a calendar an interval has slots while the market is open: not at the close, not in the break."""
    assert shown(parsed("UTC", calendar, **keys), after, until) == expected


def test_local_instant_of_known_clock_changes() -> None:
    """A day that Samoa skipped, a gap at midnight, a fold between two offsets that are both standard time."""

    def instant(text: str, timezone: str) -> datetime:
        return local_instant(datetime.fromisoformat(text), timezone)

    assert instant("2011-12-30 12:00", "Pacific/Apia") == utc("2011-12-30 10:00")
    assert instant("2018-11-04 00:30", "America/Sao_Paulo") == utc("2018-11-04 03:00")
    assert instant("2021-01-31 23:30", "Africa/Juba") == utc("2021-01-31 20:30")
    assert instant("2024-02-29 23:30", "Asia/Almaty") == utc("2024-02-29 17:30")


def test_an_anchor_without_a_calendar_is_an_error() -> None:
    """The manifest refuses it, and so does a schedule that is built by hand."""
    with pytest.raises(ValueError, match="an anchor on open or close needs a calendar"):
        next_slot(Schedule("UTC", at=(Anchor("open"),)), utc("2026-01-01"))
