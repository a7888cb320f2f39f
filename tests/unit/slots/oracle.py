"""Slots reckoned a second time, from first principles, to compare openbell's with.

It shares no arithmetic with openbell.slots. Clock changes come from zoneinfo, which implements PEP 495, where openbell
asks pytz, and intervals are tried one grid point after the other. What both share is data: zoneinfo is given pytz's own
files, since a system's time zone database may be of another release, and the sessions are those of openbell.calendars,
which tests/unit/calendars/test_tables.py compares with exchange_calendars.
"""

import os
from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from functools import cache
from io import BytesIO
from itertools import pairwise
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytz

from openbell import calendars
from openbell.manifest import Anchor, Schedule
from openbell.manifest.reading import read

WHOLE = os.environ.get("OPENBELL_TEST_CALENDARS") == "whole"  # as `make test-calendars` sets it
DAY = timedelta(days=1)
SECOND = timedelta(seconds=1)
TICK = timedelta(microseconds=1)
FIRST = datetime(2020, 1, 1, tzinfo=UTC)
LAST = datetime(2035, 12, 31, tzinfo=UTC)


class Change(NamedTuple):
    """A change of a zone's offset: from `at` on, UTC plus `after` is what the clock shows."""

    at: datetime
    before: timedelta
    after: timedelta

    @property
    def wall(self) -> tuple[datetime, datetime]:
        """The two ends of what the clock skips or repeats, as naive local times, the end itself not included."""
        ends = sorted(self.at.replace(tzinfo=None) + offset for offset in (self.before, self.after))
        return ends[0], ends[1]


def parsed(timezone: str, calendar: str | None = None, **keys: object) -> Schedule:
    """Return the schedule of a manifest whose bot has these keys."""
    table: dict[str, object] = {"timezone": timezone, "bot": [{"symbols": ["AAPL"], **keys}]}
    if calendar is not None:
        table["calendar"] = calendar
    return read(table, "demo/strategy.toml", "demo").bots[0].schedule


@cache
def zone(name: str) -> ZoneInfo:
    """Return zoneinfo's reading of pytz's data for a zone."""
    return ZoneInfo.from_file(BytesIO(_data(name)), key=name)


def changes(name: str) -> tuple[Change, ...]:
    """Return every change of a zone's offset from FIRST to LAST, to the second."""
    return _changes(_data(name))


@cache
def _data(name: str) -> bytes:
    """Return pytz's data for a zone; that of a zone with two names is the same."""
    with pytz.open_resource(name) as file:  # type: ignore[attr-defined]
        return bytes(file.read())


@cache
def _changes(data: bytes) -> tuple[Change, ...]:
    found = ZoneInfo.from_file(BytesIO(data))
    days = [FIRST + number * DAY for number in range((LAST - FIRST).days + 1)]
    offsets = [(day, day.astimezone(found).utcoffset() or timedelta(0)) for day in days]
    return tuple(
        Change(_first_without(found, before, day, day + DAY), before, after)
        for (day, before), (_, after) in pairwise(offsets)
        if before != after
    )


def first_instant(wall: datetime, name: str) -> datetime:
    """Return when the zone's clock first shows `wall` (naive), or the first second after the gap that swallows it."""
    # PEP 495: fold=0 is the first of two; in a gap, it is reckoned with the offset before, and fold=1 with that after.
    first, second = (wall.replace(tzinfo=zone(name), fold=fold).astimezone(UTC) for fold in (0, 1))
    if first.astimezone(zone(name)).replace(tzinfo=None) == wall:
        return first
    before = wall.replace(tzinfo=zone(name)).utcoffset()
    return _first_without(zone(name), before, second, first)


def _first_without(place: ZoneInfo, offset: timedelta | None, early: datetime, late: datetime) -> datetime:
    while late - early > SECOND:
        middle = (early + (late - early) / 2).replace(microsecond=0)
        if middle.astimezone(place).utcoffset() == offset:
            early = middle
        else:
            late = middle
    return late.replace(microsecond=0)


def brute_force(schedule: Schedule, after: datetime, until: datetime) -> list[datetime]:
    """Return the slots with after < slot <= until, by looking at every day or every grid point of the span."""
    if schedule.every in {None, DAY} and schedule.count_from is None:
        slots = {slot for slot in _daily(schedule, after, until) if after < slot <= until}
        return sorted(slots)
    # Whole milliseconds since 1970 are exact in whole numbers, and the finest that the grammar can say.
    assert schedule.every is not None
    every, offset = (duration // timedelta(milliseconds=1) for duration in (schedule.every, schedule.offset))
    epoch = datetime(1970, 1, 1, tzinfo=UTC)
    number = ((after - epoch) // timedelta(milliseconds=1) - offset) // every
    slots = set()
    while (slot := epoch + timedelta(milliseconds=number * every + offset)) <= until:
        if slot > after and _allows(schedule, slot):
            slots.add(slot)
        number += 1
    return sorted(slots)


def _allows(schedule: Schedule, slot: datetime) -> bool:
    if slot.astimezone(zone(schedule.timezone)).weekday() not in schedule.days:
        return False
    return schedule.calendar is None or calendars.load(schedule.calendar).is_open(slot)


def _daily(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    calendar = calendars.load(schedule.calendar) if schedule.calendar else None
    for ordinal in range((after - 3 * DAY).toordinal(), (until + 3 * DAY).toordinal() + 1):
        day = date.fromordinal(ordinal)
        if schedule.every is not None:
            clock = (datetime.min + schedule.offset).time()  # noqa: DTZ901 - a wall clock
            slot = first_instant(datetime.combine(day, clock), schedule.timezone)
            if day.weekday() in schedule.days and (calendar is None or calendar.is_open(slot)):
                yield slot
            continue
        session = calendar.session(day) if calendar else None
        if calendar is not None and session is None:
            continue
        for anchor in schedule.at:
            slot = _instant(anchor, day, session, schedule.timezone)
            edge = slot - anchor.shift
            weekday = day if anchor.kind == "clock" else edge.astimezone(zone(schedule.timezone)).date()
            if weekday.weekday() not in schedule.days:
                continue
            # A time of day that the early close has cut off, and that is in the session on other days.
            if anchor.kind == "clock" and session is not None and session.early_close:
                usual = calendars.load(str(schedule.calendar)).hours[0].close
                ends = first_instant(
                    datetime.combine(day, time()) + usual, calendars.load(str(schedule.calendar)).timezone
                )
                if session.close <= slot < ends:
                    continue
            yield slot


def _instant(anchor: Anchor, day: date, session: calendars.Session | None, name: str) -> datetime:
    if anchor.kind == "clock":
        return first_instant(datetime.combine(day, anchor.clock or time()), name)
    assert session is not None
    return {"open": session.open, "close": session.close}[anchor.kind] + anchor.shift
