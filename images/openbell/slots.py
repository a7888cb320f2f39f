"""Slots: the instants at which a schedule is due. Pure arithmetic, no clock.

A slot is an aware datetime in UTC. Daily times are local: in a spring gap the slot is the first instant after the gap,
in an autumn fold the first of the two. Intervals are elapsed time, on the grid of the day in UTC or from the session's
open on. With a calendar, slots lie on its sessions only: daily times on the session's date, intervals while the market
is open. Days of the week are those of the schedule's own zone, with every calendar.

The runner and the supervisor ask the same functions, so they agree on which runs should have happened.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import pytz

from openbell import calendars
from openbell.calendars import Calendar, CalendarExpired, Session
from openbell.calendars.local_time import local_instant
from openbell.instants import EPOCH
from openbell.manifest import EVERY_DAY, Anchor, Schedule, windows

__all__ = ["closed_slots", "count_slots", "is_slot", "last_slot", "local_instant", "next_slot", "slots_between"]

ALWAYS = "24/7"  # has no days of its own, so those of the schedule's zone count
_DAY = timedelta(days=1)
_TICK = timedelta(microseconds=1)
_CHUNK = timedelta(days=28)
# A schedule that the manifest accepts occurs at least once a year; the margin covers a year's last session.
_HORIZON = timedelta(days=400)


def slots_between(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    """Yield the slots with after < slot <= until, strictly increasing.

    Raises calendars.CalendarExpired where the span leaves the calendar's validity, after the slots before that point.
    """
    after, until = _utc(after), _utc(until)
    start = after
    while start < until:
        end = min(start + _CHUNK, until)
        if schedule.every is None or schedule.daily:
            yield from _daily(schedule, start, end)
        else:
            every = schedule.every
            for first, last, origin in _open_spans(schedule, start, end):
                count = _grid_count(every, first, last, origin)
                slot = first + (origin - first) % every
                for _ in range(count):
                    yield slot
                    slot += every
        start = end


def next_slot(schedule: Schedule, after: datetime) -> datetime | None:
    """Return the first slot later than `after`, or None if there is none within 400 days."""
    return _next_slot(schedule, _utc(after))


# Many bots with one schedule ask for the same few slots, so the newest answers are kept.
@lru_cache(maxsize=256)
def _next_slot(schedule: Schedule, after: datetime) -> datetime | None:
    start, step = after, _DAY
    while start < after + _HORIZON:
        for slot in slots_between(schedule, start, start + step):
            return slot
        start, step = start + step, min(2 * step, _CHUNK)
    return None


def last_slot(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    """Return the newest slot with after < slot <= until, or None if there is none."""
    return _last_slot(schedule, _utc(after), _utc(until))


@lru_cache(maxsize=256)
def _last_slot(schedule: Schedule, after: datetime, until: datetime) -> datetime | None:
    end, step = until, _DAY
    while end > after:
        start = max(end - step, after)
        newest = None
        if schedule.every is None or schedule.daily:
            newest = max(_daily(schedule, start, end), default=None)
        else:
            for first, last, origin in _open_spans(schedule, start, end):
                if count := _grid_count(schedule.every, first, last, origin):
                    newest = first + (origin - first) % schedule.every + (count - 1) * schedule.every
        if newest is not None:
            return newest
        end, step = start, min(2 * step, _CHUNK)
    return None


def count_slots(schedule: Schedule, after: datetime, until: datetime) -> int:
    """Return how many slots lie in after < slot <= until, in time that does not grow with their number."""
    return _count_slots(schedule, _utc(after), _utc(until))


@lru_cache(maxsize=256)
def _count_slots(schedule: Schedule, after: datetime, until: datetime) -> int:
    if schedule.every is None or schedule.daily:
        return sum(1 for _ in slots_between(schedule, after, until))
    every = schedule.every
    return sum(_grid_count(every, *span) for span in _open_spans(schedule, after, until))


def _forget() -> None:
    for remembered in (_next_slot, _last_slot, _count_slots):
        remembered.cache_clear()


calendars.on_change(_forget)


def is_slot(schedule: Schedule, at: datetime) -> bool:
    """Tell whether a schedule is due at an instant."""
    return next_slot(schedule, at - _TICK) == at


def closed_slots(schedule: Schedule, after: datetime, until: datetime) -> tuple[datetime, ...]:
    """Return the times with after < time <= until that are no slots because the market has closed early (or opens late)."""
    if schedule.every is not None or schedule.calendar in {None, ALWAYS} or schedule.early_close == "run":
        return ()
    after, until = _utc(after), _utc(until)
    if after >= until:
        return ()
    try:
        found = [slot for slot, is_closed in _daily_times(schedule, after, until) if is_closed]
    except CalendarExpired:
        return ()
    return tuple(found)


def _utc(at: datetime) -> datetime:
    # Arithmetic within any other zone is that of the wall clock: an hour too many or too few across a clock change.
    if at.utcoffset() is None:
        msg = f"slots need aware times, got {at.isoformat()}"
        raise ValueError(msg)
    return at.astimezone(UTC)


def _daily(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    calendar = calendars.load(schedule.calendar) if schedule.calendar else None
    for slot, is_closed in _daily_times(schedule, after, until):
        if not is_closed:
            yield slot
    if calendar is not None:
        _check_known(schedule, calendar, until)


def _daily_times(schedule: Schedule, after: datetime, until: datetime) -> Iterator[tuple[datetime, bool]]:
    """Yield the times of a schedule without an interval in their order, and whether the market is closed early at each."""
    # A slot's local date can differ from its UTC date by one, and open-11h can fall on the day before its session.
    zone = pytz.timezone(schedule.timezone)
    day, last = (after.astimezone(zone) - 3 * _DAY).date(), (until.astimezone(zone) + 2 * _DAY).date()
    calendar = calendars.load(schedule.calendar) if schedule.calendar else None
    if calendar is not None:
        _check_known(schedule, calendar, after)
        # The neighbouring days are looked at for their anchors' sake only: they may lie outside the table.
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
    for slot in sorted(slots):
        if calendar is not None:
            _check_known(schedule, calendar, slot)
        if not any(start <= slot < end for start, end in blocked):
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
        if is_on or _is_ruled(schedule, day, None):
            yield _at(schedule, anchor, day), False
        return
    of = day
    if calendar.opens_on_the_evening_before:
        of = calendar.session_date(_at(schedule, anchor, day))
        if of > calendar.valid_through:
            return
    session = calendar.session(of)
    if session is not None and (is_on or _is_ruled(schedule, of, calendar)):
        slot = _at(schedule, anchor, day)
        yield slot, schedule.early_close == "skip" and session.is_shortened_at(slot)


def _grid_times(
    schedule: Schedule, anchor: Anchor, day: date, calendar: Calendar | None, *, is_on: bool
) -> Iterator[tuple[datetime, bool]]:
    """Yield the point of a day's interval, if the market is open then."""
    slot = _at(schedule, anchor, day)
    of = day if calendar is None or calendar.name == ALWAYS else calendar.session_date(slot)
    if (is_on or _is_ruled(schedule, of, calendar)) and (calendar is None or calendar.is_open(slot)):
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
    return _is_ruled(schedule, day, calendar)


def _is_ruled(schedule: Schedule, day: date, calendar: Calendar | None) -> bool:
    return any(rule.matches(day, calendar) for rule in schedule.rules)


def _check_known(schedule: Schedule, calendar: Calendar, at: datetime) -> None:
    """Raise CalendarExpired unless the calendar knows every session that could have a slot at `at`."""
    for anchor in schedule.daily or (Anchor("open"),):
        zone = calendar.timezone if anchor.kind in {"open", "close"} else schedule.timezone
        calendar.has_session((at - anchor.shift).astimezone(pytz.timezone(zone)).date())


def _open_spans(schedule: Schedule, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime, datetime]]:
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
    _check_known(schedule, calendar, after)
    for session in _sessions(calendar, after, until):
        origin = grid if schedule.count_from is None else session.open + schedule.count_from.shift
        begin = start if schedule.count_from is None else max(start, origin)
        for opens, closes in _allowed(schedule, session, calendar):
            first, last = max(opens, begin), min(closes - _TICK, until)
            if first <= last:
                yield first, last, origin
    _check_known(schedule, calendar, until)


def _days(schedule: Schedule, start: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield the days of the schedule's own zone, with both ends."""
    zone = pytz.timezone(schedule.timezone)
    day, last = (start.astimezone(zone) - _DAY).date(), (until.astimezone(zone) + _DAY).date()
    while day <= last:
        if day.weekday() in schedule.days or _is_ruled(schedule, day, None):
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
    if schedule.days == EVERY_DAY or _is_ruled(schedule, session.date, calendar):
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


def _grid_count(every: timedelta, first: datetime, last: datetime, origin: datetime) -> int:
    room = last - first - (origin - first) % every
    return room // every + 1 if room >= timedelta(0) else 0
