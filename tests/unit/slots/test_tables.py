"""Slots of one week, written out: half days, evenings, lunch breaks, days of an interval, rules, and blackouts."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest

from openbell import slots
from openbell.manifest import Schedule, windows
from openbell.slots import closed_slots, count_slots, is_slot, last_slot, slots_between
from tests.unit.slots.oracle import parsed

NEW_YORK, TOKYO = "America/New_York", "Asia/Tokyo"
TICK = timedelta(microseconds=1)


@pytest.fixture(autouse=True)
def _ask_anew() -> None:
    """Forget the answers that are kept for bots of one schedule."""
    slots._forget()


def utc(text: str) -> datetime:
    """Return "11-20 14:35" of 2026 as an aware instant in UTC."""
    return datetime.fromisoformat(f"2026-{text}").replace(tzinfo=UTC)


@pytest.mark.parametrize("zone, calendar, keys, after, until, expected", [
    # The day after Thanksgiving closes at 13:00.
    (NEW_YORK, "XNYS", {"at": "13:30"}, "11-25", "12-01", "11-25 18:30, 11-30 18:30"),
    (NEW_YORK, "XNYS", {"at": "12:59"}, "11-25", "12-01", "11-25 17:59, 11-27 17:59, 11-30 17:59"),
    (NEW_YORK, "XNYS", {"at": "13:30", "early_close": "run"}, "11-25", "12-01", "11-25 18:30, 11-27 18:30, 11-30 18:30"),
    (NEW_YORK, "XNYS", {"at": "open+4h"}, "11-25", "12-01", "11-25 18:30, 11-30 18:30"),
    (NEW_YORK, "XNYS", {"at": "open+4h", "early_close": "run"}, "11-26", "11-28", "11-27 18:30"),
    (NEW_YORK, "XNYS", {"at": "open"}, "11-26", "11-28", "11-27 14:30"),
    (NEW_YORK, "XNYS", {"at": "open-30m"}, "11-26", "11-28", "11-27 14:00"),
    (NEW_YORK, "XNYS", {"at": "close-15m"}, "11-25", "12-01", "11-25 20:45, 11-27 17:45, 11-30 20:45"),
    (NEW_YORK, "XNYS", {"at": "close+1h"}, "11-26", "11-28", "11-27 19:00"),
    # Two ways to one instant: that which the early close does not concern makes it a slot.
    (NEW_YORK, "XNYS", {"at": ["open+4h", "close+30m"]}, "11-26", "11-28", "11-27 18:30"),
    (NEW_YORK, "XNYS", {"at": ["close+30m", "13:30"]}, "11-26", "11-28", "11-27 18:30"),
    (NEW_YORK, "XNYS", {"every": "3h"}, "11-26", "12-01", "11-27 15:00, 11-30 15:00, 11-30 18:00"),
    # The session of a day in the strategy's zone, and that of a session's own edge.
    (NEW_YORK, "XNYS", {"at": "09:35", "days": "fri"}, "11-24", "12-01", "11-27 14:35"),
    (NEW_YORK, "XNYS", {"at": "open", "days": "fri"}, "11-24", "12-01", "11-27 14:30"),
    (TOKYO, "XNYS", {"at": "close-1m", "days": "sat"}, "11-19", "11-26", "11-20 20:59"),
    # Tokyo has a break from 11:30 to 12:30, and closes at 15:30.
    (TOKYO, "XTKS", {"every": "1h"}, "11-26", "11-27", "11-26 01:00, 11-26 02:00, 11-26 04:00, 11-26 05:00, 11-26 06:00, 11-27 00:00"),
    (TOKYO, "XTKS", {"every": "1h", "from": "open+15m"}, "11-26", "11-27",
     "11-26 00:15, 11-26 01:15, 11-26 02:15, 11-26 04:15, 11-26 05:15, 11-26 06:15"),
    (TOKYO, "XTKS", {"every": "30m"}, "11-26 02:00", "11-26 04:30", "11-26 03:30, 11-26 04:00, 11-26 04:30"),
    # Futures open on the evening before, and have an hour's break a day.
    (NEW_YORK, "CMES", {"at": "18:05"}, "11-19", "11-25", "11-19 23:05, 11-22 23:05, 11-23 23:05, 11-24 23:05"),
    (NEW_YORK, "CMES", {"at": "12:00"}, "11-20", "11-24", "11-20 17:00, 11-23 17:00"),
    (NEW_YORK, "CMES", {"every": "6h", "days": "sun"}, "11-20", "11-24", "11-23 00:00"),
    (NEW_YORK, "CMES", {"every": "1h", "days": "sun"}, "11-20", "11-23 06:00",
     "11-22 23:00, 11-23 00:00, 11-23 01:00, 11-23 02:00, 11-23 03:00, 11-23 04:00"),
    (NEW_YORK, "CMES", {"every": "6h", "days": "sun,mon"}, "11-20", "11-24 12:00",
     "11-23 00:00, 11-23 06:00, 11-23 12:00, 11-23 18:00, 11-24 00:00"),
    ("UTC", "24/5", {"every": "6h"}, "11-27 12:00", "11-30 12:00", "11-27 18:00, 11-30 00:00, 11-30 06:00, 11-30 12:00"),
    ("UTC", "24/5", {"every": "12h", "days": "mon"}, "11-26", "12-02", "11-30 00:00, 11-30 12:00"),
    ("UTC", "24/5", {"at": "23:30"}, "11-26", "12-01", "11-26 23:30, 11-27 23:30, 11-30 23:30"),
    ("UTC", "24/7", {"every": "1d", "days": "mon"}, "11-26", "12-03", "11-30 00:00"),
    ("UTC", "24/7", {"every": "12h", "days": "fri"}, "11-26", "11-28", "11-27 00:00, 11-27 12:00"),
    ("UTC", None, {"every": "6h", "offset": "5m"}, "11-26", "11-26 12:00", "11-26 00:05, 11-26 06:05"),
    # Days of an interval are those of the strategy's zone.
    ("UTC", None, {"every": "6h", "days": "fri"}, "11-26", "11-28", "11-27 00:00, 11-27 06:00, 11-27 12:00, 11-27 18:00"),
    (NEW_YORK, None, {"every": "6h", "days": "fri"}, "11-26", "11-29", "11-27 06:00, 11-27 12:00, 11-27 18:00, 11-28 00:00"),
    (NEW_YORK, None, {"every": "6h", "days": "fri"}, "11-27 12:00", "11-27 18:00", "11-27 18:00"),
    # Rules, for times, intervals and anchors.
    # October 2026 ends on a Saturday, and its sessions on the 30th.
    (NEW_YORK, "XNYS", {"at": "09:35", "days": "month-end"}, "10-28", "11-03", "10-30 13:35"),
    (NEW_YORK, "XNYS", {"at": "open", "days": "month-end"}, "10-28", "11-03", "10-30 13:30"),
    (NEW_YORK, "XNYS", {"every": "3h", "days": "month-end"}, "10-28", "11-03", "10-30 15:00, 10-30 18:00"),
    ("UTC", "24/7", {"every": "1d", "days": "month-end"}, "10-28", "11-03", "10-31 00:00"),
    (TOKYO, "24/7", {"every": "1d", "days": "month-end"}, "10-28", "11-03", "10-30 15:00"),
    (NEW_YORK, None, {"every": "1d"}, "11-26", "11-28", "11-26 05:00, 11-27 05:00"),
    # Tokyo's Thursday morning is Wednesday afternoon in Los Angeles.
    ("America/Los_Angeles", "XTKS", {"every": "1h", "days": "wed"}, "11-25 12:00", "11-27",
     "11-26 00:00, 11-26 01:00, 11-26 02:00, 11-26 04:00, 11-26 05:00, 11-26 06:00"),
    # Of a session on Friday in New York a part lies on Saturday in Tokyo.
    (TOKYO, "XNYS", {"every": "3h", "days": "sat"}, "11-19", "11-26", "11-20 15:00, 11-20 18:00"),
    (TOKYO, "XTKS", {"every": "1h", "days": "thu"}, "11-26", "11-27 02:00", "11-26 01:00, 11-26 02:00, 11-26 04:00, 11-26 05:00, 11-26 06:00"),
    (TOKYO, "XTKS", {"every": "15m", "from": "open+30m"}, "11-25 23:00", "11-26 01:00", "11-26 00:30, 11-26 00:45, 11-26 01:00"),
    ("UTC", None, {"at": "09:00", "days": "month-end"}, "11-26", "12-03", "11-30 09:00"),
    ("UTC", None, {"every": "12h", "days": "month-end"}, "11-26", "12-03", "11-30 00:00, 11-30 12:00"),
    ("UTC", None, {"every": "1d", "days": "month-end"}, "11-26", "12-03", "11-30 00:00"),
    (NEW_YORK, "XNYS", {"at": "09:35", "days": "month-end"}, "11-20", "12-03", "11-30 14:35"),
    (NEW_YORK, "XNYS", {"every": "3h", "days": "month-end"}, "11-20", "12-03", "11-30 15:00, 11-30 18:00"),
    (NEW_YORK, "XNYS", {"at": "close-5m", "days": "month-end"}, "11-20", "12-03", "11-30 20:55"),
])  # fmt: skip
def test_the_slots_of_a_span(
    zone: str, calendar: str | None, keys: dict[str, object], after: str, until: str, expected: str
) -> None:
    """All four questions have the same answer."""
    schedule, first, last = parsed(zone, calendar, **keys), utc(after), utc(until)
    found = list(slots_between(schedule, first, last))
    assert ", ".join(f"{slot:%m-%d %H:%M}" for slot in found) == expected
    assert count_slots(schedule, first, last) == len(found)
    assert last_slot(schedule, first, last) == (found[-1] if found else None)
    assert all(is_slot(schedule, slot) and not is_slot(schedule, slot + TICK) for slot in found)


@pytest.mark.parametrize("calendar, keys, after, until, expected", [
    ("XNYS", {"at": "13:30"}, "11-25", "12-01", ["11-27 18:30"]),
    ("XNYS", {"at": "13:00"}, "11-25", "12-01", ["11-27 18:00"]),
    ("XNYS", {"at": "12:59"}, "11-25", "12-01", []),
    ("XNYS", {"at": "13:30"}, "11-27 18:30", "12-01", []),  # a span has its end and not its beginning
    ("XNYS", {"at": "13:30"}, "11-27", "11-27 18:30", ["11-27 18:30"]),
    ("XNYS", {"at": "13:30"}, "12-01", "11-25", []),
    ("XNYS", {"at": ["13:30", "open+5h"]}, "11-25", "12-01", ["11-27 18:30", "11-27 19:30"]),
    ("XNYS", {"at": "13:30", "early_close": "run"}, "11-25", "12-01", []),
    ("XNYS", {"every": "1h"}, "11-25", "12-01", []),
    ("XNYS", {"at": "close-15m"}, "11-25", "12-01", []),
    ("24/7", {"at": "13:30"}, "11-25", "12-01", []),
    (None, {"at": "13:30"}, "11-25", "12-01", []),
])  # fmt: skip
def test_the_times_that_an_early_close_takes_away(
    calendar: str | None, keys: dict[str, object], after: str, until: str, expected: list[str]
) -> None:
    """They are no slots, and are told as passed over; the zone of the question changes nothing."""
    schedule = parsed(NEW_YORK, calendar, **keys)
    for zone in (UTC, ZoneInfo(TOKYO)):
        found = closed_slots(schedule, utc(after).astimezone(zone), utc(until).astimezone(zone))
        assert [f"{slot:%m-%d %H:%M}" for slot in found] == expected


def test_beyond_the_calendar_no_close_is_early() -> None:
    """The question is for people, and has an answer always."""
    schedule = parsed(NEW_YORK, "XNYS", at="13:30")
    assert closed_slots(schedule, utc("11-25").replace(year=2098), utc("11-25").replace(year=2099)) == ()


def blacked_out(*texts: str, **keys: object) -> Schedule:
    """Return a schedule with blackouts."""
    return replace(parsed("UTC", None, **keys), blackout=windows.windows(list(texts)) or ())


@pytest.mark.parametrize("texts, keys, expected", [
    (["daily 04:00 - 10:00 UTC"], {"every": "2h"}, "02 10 12"),  # its end is a slot, its beginning none
    (["daily 04:00 - 10:00 UTC"], {"at": ["03:59", "04:00", "09:59", "10:00"]}, "03 10"),
    (["daily 04:00 - 06:00 UTC", "daily 08:00 - 10:00 UTC"], {"every": "2h"}, "02 06 10 12"),
    (["daily 04:00 - 08:00 UTC", "daily 06:00 - 10:00 UTC"], {"every": "2h"}, "02 10 12"),
    (["daily 04:00 - 10:00 UTC", "daily 06:00 - 08:00 UTC"], {"every": "2h"}, "02 10 12"),
    (["daily 22:00 - 04:00 UTC"], {"every": "2h"}, "04 06 08 10 12"),
    (["daily 10:00 - 14:00 UTC"], {"every": "2h"}, "02 04 06 08"),
    (["daily 12:00 - 14:00 UTC"], {"every": "2h"}, "02 04 06 08 10"),
        (["daily 10:00 - 12:00 UTC"], {"every": "2h"}, "02 04 06 08 12"),
        (["daily 05:01 - 05:59 UTC"], {"every": "2h"}, "02 04 06 08 10 12"),
])  # fmt: skip
def test_no_slot_lies_in_a_blackout(texts: list[str], keys: dict[str, object], expected: str) -> None:
    """From its beginning to right before its end."""
    schedule, first, last = blacked_out(*texts, **keys), utc("11-26"), utc("11-26 12:00")
    found = list(slots_between(schedule, first, last))
    assert " ".join(f"{slot:%H}" for slot in found) == expected
    assert count_slots(schedule, first, last) == len(found)
    assert last_slot(schedule, first, last) == found[-1]
