"""The end of a calendar: the slots that it knows are found, and past them every question is a loud error."""

from dataclasses import replace
from datetime import UTC, date, datetime
from itertools import islice

import pytest

from openbell import calendars
from openbell.calendars import CalendarExpired
from openbell.slots import count_slots, last_slot, next_slot, slots_between
from tests.unit.slots.oracle import parsed


def utc(text: str) -> datetime:
    """Return "2026-11-20 14:35" as an aware instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("keys", [{"at": "09:35"}, {"at": "close-10m"}, {"every": "1h"}])
def test_past_the_calendars_end_every_question_raises(keys: dict[str, str]) -> None:
    """A calendar that ends is an error, never a market that is closed for ever; so is a time before its beginning."""
    schedule = parsed("America/New_York", "XNYS", **keys)
    for after, until in ((utc("2035-12-28"), utc("2036-01-03")), (utc("1999-12-01"), utc("2000-01-10"))):
        with pytest.raises(CalendarExpired):
            list(slots_between(schedule, after, until))
        with pytest.raises(CalendarExpired):
            count_slots(schedule, after, until)
    with pytest.raises(CalendarExpired):
        last_slot(schedule, utc("2035-12-28"), utc("2036-01-03"))
    with pytest.raises(CalendarExpired):
        next_slot(schedule, utc("2036-01-03"))
    with pytest.raises(CalendarExpired, match="valid from 2000-01-01 through 2035-12-31; update openbell"):
        next_slot(schedule, utc("2035-12-31 21:00"))


@pytest.mark.parametrize(
    "keys", [{"at": "09:35"}, {"at": "close-10m"}, {"every": "1h"}, {"at": "10:00", "days": "mon"}]
)
@pytest.mark.parametrize("day", range(18, 32))
def test_the_last_slots_of_a_calendar_are_found(keys: dict[str, str], day: int) -> None:
    """From any day near the calendar's end the next slot is found as long as there is one, not lost to the error."""
    schedule = parsed("America/New_York", "XNYS", **keys)
    after = datetime(2035, 12, day, tzinfo=UTC)
    known = list(slots_between(schedule, after, utc("2036-01-01 04:49")))

    assert next_slot(schedule, after) == known[0]
    given = slots_between(schedule, after, utc("2036-02-01"))
    assert list(islice(given, len(known))) == known
    with pytest.raises(CalendarExpired):
        next(given)


def test_a_session_that_the_calendar_does_not_know_is_never_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A slot on the calendar's last day that belongs to a session after it raises; slots before it are given."""
    tokyo = replace(calendars.load("XTKS"), valid_through=date(2026, 11, 18))
    monkeypatch.setattr(calendars, "load", lambda _: tokyo)
    schedule = parsed("Asia/Tokyo", "XTKS", at=["open-11h", "close+11h"])
    known = [utc("2026-11-17 13:00"), utc("2026-11-17 17:30")]

    # Thursday's first slot would be at 13:00 on Wednesday. It is not known, so Wednesday's at 17:30 is not the next.
    given = slots_between(schedule, utc("2026-11-17"), utc("2026-11-25"))
    assert list(islice(given, 2)) == known
    with pytest.raises(CalendarExpired, match="2026-11-19"):
        next(given)
    for until in ("2026-11-18 13:00", "2026-11-18 17:29", "2026-11-18 17:30"):
        for ask in (last_slot, count_slots):
            with pytest.raises(CalendarExpired, match="2026-11-19"):
                ask(schedule, utc("2026-11-17"), utc(until))
    assert list(slots_between(schedule, utc("2026-11-17"), utc("2026-11-18 03:59"))) == known


@pytest.mark.parametrize("timezone", ["Pacific/Pago_Pago", "Asia/Tokyo", "Pacific/Kiritimati"])
def test_the_end_of_a_calendar_is_a_date_of_its_own_zone(timezone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the manifest's zone, an interval is known until midnight in Tokyo, and an error from then on."""
    tokyo = replace(calendars.load("XTKS"), valid_through=date(2026, 11, 18))
    monkeypatch.setattr(calendars, "load", lambda _: tokyo)
    schedule = parsed(timezone, "XTKS", every="1h")

    known = list(slots_between(schedule, utc("2026-11-18 03:00"), utc("2026-11-18 14:59:59")))
    assert [f"{slot:%d %H:%M}" for slot in known] == ["18 04:00", "18 05:00", "18 06:00"]
    with pytest.raises(CalendarExpired):
        count_slots(schedule, utc("2026-11-18"), utc("2026-11-18 15:00"))
