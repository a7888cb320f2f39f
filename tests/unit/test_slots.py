"""Slots: tables of known instants, and what holds of any schedule. See test_slots_zones, _calendars and _properties too."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from itertools import islice, pairwise
from zoneinfo import ZoneInfo

import pytest
import pytz

from openbell import calendars, slots
from openbell.calendars import CalendarExpired
from openbell.manifest import Anchor, Schedule
from openbell.slots import count_slots, last_slot, local_instant, next_slot, slots_between
from tests.unit.slot_oracle import DAY, SECOND, TICK, parsed

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
@pytest.mark.parametrize("every", ["1m", "15m", "1h", "4h", "1d"])
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
        ("15:30", ["11-25 20:30", "11-27 20:30", "11-30 20:30"]),  # a clock time does not follow the early close
    ],
)
def test_anchors_follow_the_calendar(at: str, expected: list[str]) -> None:
    """Open and close are those of each session, early closes included; a day without a session has no slot."""
    assert shown(parsed("America/New_York", "XNYS", at=at), "2026-11-25", "2026-12-01") == expected


def test_an_anchor_may_fall_on_another_date_than_its_session() -> None:
    """Eleven hours before Tokyo opens is the day before, and days count by the session's date."""
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


@pytest.mark.parametrize("schedule", [parsed("UTC", at="09:35"), parsed("UTC", every="5m", offset="7s")])
def test_a_span_has_its_end_but_not_its_beginning(schedule: Schedule) -> None:
    """A slot at `until` counts and one at `after` does not, to the microsecond, in every question alike."""
    first = next_slot(schedule, utc("2026-11-20"))
    assert first is not None

    for after, until, expected in (
        (first - TICK, first, [first]),
        (first, first + TICK, []),
        (first - SECOND, first - TICK, []),
        (first, first, []),
        (first + HOUR, first - HOUR, []),
    ):
        assert list(slots_between(schedule, after, until)) == expected
        assert count_slots(schedule, after, until) == len(expected)
        assert last_slot(schedule, after, until) == (expected[0] if expected else None)
    assert next_slot(schedule, first - TICK) == first
    assert next_slot(schedule, first) != first


@pytest.mark.parametrize(
    "schedule", [parsed("UTC", at="09:35"), parsed("UTC", every="1h"), parsed("UTC", "XNYS", every="1h")]
)
@pytest.mark.parametrize("ask", [slots_between, last_slot, count_slots])
def test_the_zone_in_which_an_instant_is_written_changes_nothing(
    ask: Callable[[Schedule, datetime, datetime], object], schedule: Schedule
) -> None:
    """Asked in New York's wall clock, across its clock change, the answer is the same, and it is in UTC."""
    spans = [
        [utc(text).astimezone(zone) for text in ("2026-10-30 12:00", "2026-11-03 12:00")]
        for zone in (UTC, ZoneInfo("America/New_York"), pytz.timezone("America/New_York"))
    ]

    answers = [ask(schedule, after, until) for after, until in spans]
    lists = [list(one) if ask is slots_between else [one] for one in answers]  # type: ignore[call-overload]

    assert lists[0] == lists[1] == lists[2]
    assert all(slot.tzinfo is UTC for one in lists for slot in one if isinstance(slot, datetime))
    assert getattr(next_slot(schedule, spans[1][0]), "tzinfo", None) is UTC


def test_a_naive_time_is_an_error() -> None:
    """Without a zone nobody knows which instant is meant: every question refuses."""
    naive, aware = datetime(2026, 11, 20), utc("2026-11-21")  # noqa: DTZ001 - that is the point
    for schedule in (parsed("UTC", at="09:35"), EVERY_SECOND):
        for ask in (slots_between, last_slot, count_slots):
            for after, until in ((naive, aware), (aware, naive)):
                with pytest.raises(ValueError, match="slots need aware times, got 2026-11-20T00:00:00"):
                    list(ask(schedule, after, until))  # type: ignore[arg-type]
        with pytest.raises(ValueError, match="slots need aware times"):
            next_slot(schedule, naive)


def test_seven_thousand_years_of_seconds_are_counted_at_once() -> None:
    """Counting is arithmetic: it does not go through the slots, so a gap of any length costs the same."""
    first, last = datetime(1900, 1, 1, tzinfo=UTC), datetime(9000, 1, 1, tzinfo=UTC)

    assert count_slots(EVERY_SECOND, first, last) == (last - first) // SECOND
    assert last_slot(EVERY_SECOND, first, last - TICK) == last - SECOND
    assert next(slots_between(EVERY_SECOND, first, last)) == first + SECOND
    assert next_slot(EVERY_SECOND, last) == last + SECOND


@pytest.mark.parametrize(
    "schedule",
    [EVERY_SECOND, parsed("America/New_York", every="1s", days="mon-fri"), parsed("UTC", "XTKS", every="1s")],
)
def test_counting_yields_no_slots(schedule: Schedule, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten years of seconds, on some days or on a calendar too, are counted without making a slot."""

    def refuse(*_arguments: object) -> None:
        msg = "count_slots went through the slots"
        raise AssertionError(msg)

    monkeypatch.setattr(slots, "slots_between", refuse)

    counted = count_slots(schedule, utc("2025-01-01"), utc("2035-01-01"))

    assert counted > 40_000_000
    assert last_slot(schedule, utc("2025-01-01"), utc("2035-01-01")) is not None


def test_counting_seconds_by_hand() -> None:
    """A week of seconds: five days of New York's, and four and a half sessions."""
    week = (utc("2026-11-22 05:00") - SECOND, utc("2026-11-29 05:00") - SECOND)

    assert count_slots(parsed("America/New_York", every="1s", days="mon-fri"), *week) == 5 * 86400
    assert count_slots(parsed("UTC", "XNYS", every="1s"), *week) == 3 * 23400 + 3.5 * 3600
    assert count_slots(parsed("UTC", "XTKS", every="1s"), *week) == 4 * 5.5 * 3600  # Monday is a holiday


def test_slots_come_one_by_one() -> None:
    """Asking for the first of a huge span does not make the others."""
    assert list(islice(slots_between(EVERY_SECOND, utc("2020-01-01"), utc("9000-01-01")), 2)) == [
        utc("2020-01-01 00:00:01"),
        utc("2020-01-01 00:00:02"),
    ]


def test_next_slot_gives_up_after_a_year() -> None:
    """A schedule that never occurs, which the manifest would refuse, has no next slot; the search ends."""
    never = Schedule("UTC", "XNYS", frozenset({5, 6}), (Anchor("open"),))

    assert next_slot(never, utc("2026-01-01")) is None
    assert last_slot(never, utc("2020-01-01"), utc("2026-01-01")) is None
    assert count_slots(never, utc("2020-01-01"), utc("2026-01-01")) == 0


def test_local_instant_of_known_clock_changes() -> None:
    """A day that Samoa skipped, a gap at midnight, a fold between two offsets that are both standard time."""

    def instant(text: str, timezone: str) -> datetime:
        return local_instant(datetime.fromisoformat(text), timezone)

    assert instant("2011-12-30 12:00", "Pacific/Apia") == utc("2011-12-30 10:00")
    assert instant("2018-11-04 00:30", "America/Sao_Paulo") == utc("2018-11-04 03:00")
    assert instant("2021-01-31 23:30", "Africa/Juba") == utc("2021-01-31 20:30")
    assert instant("2024-02-29 23:30", "Asia/Almaty") == utc("2024-02-29 17:30")


def test_an_anchor_without_a_calendar_is_an_error() -> None:
    """The manifest refuses it; whoever builds a schedule by hand is told."""
    with pytest.raises(ValueError, match="an anchor on open or close needs a calendar"):
        next_slot(Schedule("UTC", at=(Anchor("open"),)), utc("2026-01-01"))


@pytest.mark.parametrize("keys", [{"at": "09:35"}, {"at": "close-10m"}, {"every": "1h"}])
def test_past_the_calendars_end_every_question_raises(keys: dict[str, str]) -> None:
    """A calendar that ends is an error, never a market that is closed for ever; so is a time before its beginning."""
    schedule = parsed("America/New_York", "XNYS", **keys)
    for after, until in ((utc("2035-12-28"), utc("2036-01-03")), (utc("2009-12-01"), utc("2010-01-10"))):
        with pytest.raises(CalendarExpired):
            list(slots_between(schedule, after, until))
        with pytest.raises(CalendarExpired):
            count_slots(schedule, after, until)
    with pytest.raises(CalendarExpired):
        last_slot(schedule, utc("2035-12-28"), utc("2036-01-03"))
    with pytest.raises(CalendarExpired):
        next_slot(schedule, utc("2036-01-03"))
    with pytest.raises(CalendarExpired, match="valid from 2010-01-01 through 2035-12-31; update openbell"):
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

    assert shown(schedule, "2026-11-18 03:00", "2026-11-18 14:59:59") == ["11-18 04:00", "11-18 05:00", "11-18 06:00"]
    with pytest.raises(CalendarExpired):
        count_slots(schedule, utc("2026-11-18"), utc("2026-11-18 15:00"))
