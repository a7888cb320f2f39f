"""Times of day: clock times, and distances from a session's open or close."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta

import pytz

from openbell import calendars
from openbell.calendars import Calendar, CalendarExpired
from openbell.calendars.local_time import local_instant
from openbell.manifest import EVERY_DAY, Anchor, Schedule, windows
from openbell.slots.days import ALWAYS, check_known, is_ruled

_DAY = timedelta(days=1)


def daily_times(schedule: Schedule, after: datetime, until: datetime) -> Iterator[tuple[datetime, bool]]:
    """Yield the times of a schedule without an interval in their order, and whether the market is closed early at each."""
    # A slot's local date can differ from its UTC date by one, and open-11h can fall on the day before its session.
    zone = pytz.timezone(schedule.timezone)
    day, last = (after.astimezone(zone) - 3 * _DAY).date(), (until.astimezone(zone) + 2 * _DAY).date()
    calendar = calendars.load(schedule.calendar) if schedule.calendar else None
    if calendar is not None:
        check_known(schedule, calendar, after)
        # The neighbouring days are read only for their anchors: they may lie outside the table.
        day, last = max(day, calendar.valid_from), min(last, calendar.valid_through)
    slots: dict[datetime, bool] = {}
    expired: CalendarExpired | None = None
    while day <= last:
        try:
            for slot, is_closed in _times_of(schedule, day, calendar):
                if after < slot <= until:
                    # Of two anchors at one instant, one that the early close does not concern makes it a slot.
                    slots[slot] = is_closed and slots.get(slot, True)
        except CalendarExpired as error:
            expired = error
            break
        day += _DAY
    blocked = windows.spans(schedule.blackout, after, until) if schedule.blackout else ()
    # The calendar knows the days around all slots but the last ones.
    end = None if calendar is None else datetime.combine(calendar.valid_through, datetime.min.time(), UTC) - 4 * _DAY
    for slot in sorted(slots):
        if calendar is not None and end is not None and slot > end:
            check_known(schedule, calendar, slot)
        if not (blocked and any(start <= slot < end for start, end in blocked)):
            yield slot, slots[slot]
    if expired is not None:
        raise expired


def _times_of(schedule: Schedule, day: date, calendar: Calendar | None) -> Iterator[tuple[datetime, bool]]:
    """Yield the times that belong to one date, and whether the market is closed early at each."""
    # Most schedules have nothing but weekdays: the days between them cost nothing more.
    weekday = day.weekday() in schedule.days
    for anchor in schedule.daily:
        if anchor.kind == "clock":
            if weekday or schedule.rules:
                yield from _clock_times(schedule, anchor, day, calendar, is_on=weekday)
        elif anchor.kind == "grid":
            yield from _grid_times(schedule, anchor, day, calendar, is_on=weekday)
        else:
            yield from _session_times(schedule, anchor, day, calendar)


def _clock_times(
    schedule: Schedule, anchor: Anchor, day: date, calendar: Calendar | None, *, is_on: bool
) -> Iterator[tuple[datetime, bool]]:
    if calendar is None:
        if is_on or is_ruled(schedule, day, None):
            yield _at(schedule, anchor, day), False
        return
    of = day
    if calendar.opens_on_the_evening_before:
        of = calendar.session_date(_at(schedule, anchor, day))
        if of > calendar.valid_through:
            return
    session = calendar.session(of)
    if session is not None and (is_on or is_ruled(schedule, of, calendar)):
        slot = _at(schedule, anchor, day)
        yield slot, schedule.early_close == "skip" and session.is_shortened_at(slot)


def _grid_times(
    schedule: Schedule, anchor: Anchor, day: date, calendar: Calendar | None, *, is_on: bool
) -> Iterator[tuple[datetime, bool]]:
    """Yield the point of a day's interval, if the market is open then."""
    slot = _at(schedule, anchor, day)
    of = day if calendar is None or calendar.name == ALWAYS else calendar.session_date(slot)
    if (is_on or is_ruled(schedule, of, calendar)) and (calendar is None or calendar.is_open(slot)):
        yield slot, False


def _session_times(
    schedule: Schedule, anchor: Anchor, day: date, calendar: Calendar | None
) -> Iterator[tuple[datetime, bool]]:
    if calendar is None:
        msg = "an anchor on open or close needs a calendar"
        raise ValueError(msg)
    session = calendar.session(day)
    if session is None:
        return
    edge = session.open if anchor.kind == "open" else session.close
    slot = edge + anchor.shift
    # The day is that of the open or the close: eleven hours before Monday's open is still Monday's.
    if _is_on(schedule, edge, day, calendar):
        behind = anchor.kind == "open" and anchor.shift > timedelta(0) and session.is_shortened_at(slot)
        yield slot, behind and schedule.early_close == "skip"


def _at(schedule: Schedule, anchor: Anchor, day: date) -> datetime:
    return local_instant(datetime.combine(day, anchor.clock or datetime.min.time()), schedule.timezone)


def _is_on(schedule: Schedule, edge: datetime, day: date, calendar: Calendar | None) -> bool:
    """Tell whether the schedule's days allow a session: the weekday of its edge in their own zone, or its date."""
    if schedule.days == EVERY_DAY:
        return True
    if schedule.days and edge.astimezone(pytz.timezone(schedule.timezone)).weekday() in schedule.days:
        return True
    return is_ruled(schedule, day, calendar)
