"""Intervals: the spans of time in which a schedule's grid has points, and how many."""

from collections.abc import Iterator
from datetime import date, datetime, timedelta

import pytz

from openbell import calendars
from openbell.calendars import Calendar, Session
from openbell.calendars.local_time import local_instant
from openbell.instants import EPOCH
from openbell.manifest import EVERY_DAY, Schedule, windows
from openbell.slots.days import ALWAYS, check_known, is_ruled

_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)


def open_spans(schedule: Schedule, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime, datetime]]:
    """Yield (after, until] cut down to when an interval may have slots: spans with both ends, and a point of the grid."""
    if not schedule.blackout:
        yield from _spans(schedule, after, until)
        return
    blocked = windows.spans(schedule.blackout, after, until)
    for first, last, origin in _spans(schedule, after, until):
        start = first
        for begins, ends in blocked:
            if ends <= start or begins > last:
                continue
            if begins > start:
                yield start, begins - _TICK, origin
            start = ends
        if start <= last:
            yield start, last, origin


def _spans(schedule: Schedule, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime, datetime]]:
    start, grid = after + _TICK, EPOCH + schedule.offset
    if schedule.calendar is None or (schedule.calendar == ALWAYS and schedule.count_from is None):
        days = iter([(start, until)]) if schedule.days == EVERY_DAY else _days(schedule, start, until)
        for opens, closes in days:
            first, last = max(opens, start), min(closes, until)
            if first <= last:
                yield first, last, grid
        return
    calendar = calendars.load(schedule.calendar)
    check_known(schedule, calendar, after)
    for session in _sessions(calendar, after, until):
        origin = grid if schedule.count_from is None else session.open + schedule.count_from.shift
        begin = start if schedule.count_from is None else max(start, origin)
        for opens, closes in _allowed(schedule, session, calendar):
            first, last = max(opens, begin), min(closes - _TICK, until)
            if first <= last:
                yield first, last, origin
    check_known(schedule, calendar, until)


def _days(schedule: Schedule, start: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the days of the schedule's own zone, with both ends."""
    zone = pytz.timezone(schedule.timezone)
    day, last = (start.astimezone(zone) - _DAY).date(), (until.astimezone(zone) + _DAY).date()
    while day <= last:
        if day.weekday() in schedule.days or is_ruled(schedule, day, None):
            yield _midnight(day, schedule), _midnight(day + _DAY, schedule) - _TICK
        day += _DAY


def _sessions(calendar: Calendar, after: datetime, until: datetime) -> Iterator[Session]:
    """Yield the sessions of which some part lies in after < instant <= until."""
    zone = pytz.timezone(calendar.timezone)
    # The session that goes on at `after` may have begun on the day before, that of `until` may be the next day's.
    first, last = (after.astimezone(zone) - _DAY).date(), (until.astimezone(zone) + _DAY).date()
    for session in calendar.sessions(max(first, calendar.valid_from), min(last, calendar.valid_through)):
        if session.open <= until and session.close > after:
            yield session


def _allowed(schedule: Schedule, session: Session, calendar: Calendar) -> Iterator[tuple[datetime, datetime]]:
    """Yield the hours of a session in which the schedule's days allow slots."""
    if session.break_start is None or session.break_end is None:
        hours = [(session.open, session.close)]
    else:
        hours = [(session.open, session.break_start), (session.break_end, session.close)]
    if schedule.days == EVERY_DAY or is_ruled(schedule, session.date, calendar):
        yield from hours
        return
    zone = pytz.timezone(schedule.timezone)
    for opens, closes in hours:
        day, end = opens.astimezone(zone).date(), (closes - _TICK).astimezone(zone).date()
        if day == end:
            if day.weekday() in schedule.days:
                yield opens, closes
            continue
        while day <= end:
            if day.weekday() in schedule.days:
                yield max(opens, _midnight(day, schedule)), min(closes, _midnight(day + _DAY, schedule))
            day += _DAY


def _midnight(day: date, schedule: Schedule) -> datetime:
    return local_instant(datetime.combine(day, datetime.min.time()), schedule.timezone)


def grid_count(every: timedelta, first: datetime, last: datetime, origin: datetime) -> int:
    """Return how many points of an interval's grid lie from `first` to `last`; `origin` is one of the grid."""
    room = last - first - (origin - first) % every
    return room // every + 1 if room >= timedelta(0) else 0
