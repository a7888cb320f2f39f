"""Slots: the instants at which a schedule is due. Pure arithmetic, no clock.

A slot is an aware datetime in UTC. Daily times are local: in a spring gap the slot is the first instant after the gap,
in an autumn fold the first of the two. Intervals are elapsed time on the grid of the day in UTC. With a calendar, slots
lie on its sessions only: daily times on the session's date, intervals while the market is open.

The runner and the supervisor ask the same functions, so they agree on which runs should have happened.
"""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache

import pytz

from openbell import calendars
from openbell.instants import EPOCH
from openbell.manifest import EVERY_DAY, Anchor, Schedule

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
        if schedule.every is None:
            yield from _daily(schedule, start, end)
        else:
            for first, last in _open_spans(schedule, start, end):
                count = _grid_count(schedule, first, last)
                slot = first + _until_grid(schedule, first)
                for step in range(count):
                    yield slot + step * schedule.every
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
        if schedule.every is None:
            newest = max(_daily(schedule, start, end), default=None)
        else:
            for first, last in _open_spans(schedule, start, end):
                if count := _grid_count(schedule, first, last):
                    newest = first + _until_grid(schedule, first) + (count - 1) * schedule.every
        if newest is not None:
            return newest
        end, step = start, min(2 * step, _CHUNK)
    return None


def count_slots(schedule: Schedule, after: datetime, until: datetime) -> int:
    """Return how many slots lie in after < slot <= until, in time that does not grow with their number."""
    return _count_slots(schedule, _utc(after), _utc(until))


@lru_cache(maxsize=256)
def _count_slots(schedule: Schedule, after: datetime, until: datetime) -> int:
    if schedule.every is None:
        return sum(1 for _ in slots_between(schedule, after, until))
    return sum(_grid_count(schedule, first, last) for first, last in _open_spans(schedule, after, until))


def _utc(at: datetime) -> datetime:
    # Arithmetic within any other zone is that of the wall clock: an hour too many or too few across a clock change.
    if at.utcoffset() is None:
        msg = f"slots need aware times, got {at.isoformat()}"
        raise ValueError(msg)
    return at.astimezone(UTC)


def _daily(schedule: Schedule, after: datetime, until: datetime) -> Iterator[datetime]:
    # A slot's local date can differ from its UTC date by one, and open-11h can fall on the day before its session.
    zone = pytz.timezone(schedule.timezone)
    day, last = (after.astimezone(zone) - 2 * _DAY).date(), (until.astimezone(zone) + 2 * _DAY).date()
    calendar = calendars.load(schedule.calendar) if schedule.calendar else None
    if calendar is not None:
        _check_known(schedule, calendar, after)
        # The neighbouring days are looked at for their anchors' sake only: they may lie outside the table.
        day, last = max(day, calendar.valid_from), min(last, calendar.valid_through)
    slots: set[datetime] = set()
    while day <= last:
        if day.weekday() in schedule.days:
            session = calendar.session(day) if calendar is not None else None
            if calendar is None or session is not None:
                slots.update(_instant(anchor, day, session, schedule.timezone) for anchor in schedule.at)
        day += _DAY
    for slot in sorted(slot for slot in slots if after < slot <= until):
        if calendar is not None:
            _check_known(schedule, calendar, slot)
        yield slot
    if calendar is not None:
        _check_known(schedule, calendar, until)


def _check_known(schedule: Schedule, calendar: calendars.Calendar, at: datetime) -> None:
    """Raise CalendarExpired unless the calendar knows every session that could have a slot at `at`."""
    for anchor in schedule.at or (Anchor("open"),):
        zone = schedule.timezone if anchor.kind == "clock" else calendar.timezone
        calendar.session((at - anchor.shift).astimezone(pytz.timezone(zone)).date())


def _instant(anchor: Anchor, day: date, session: calendars.Session | None, timezone: str) -> datetime:
    if anchor.clock is not None:
        return local_instant(datetime.combine(day, anchor.clock), timezone)
    if session is None:
        msg = "an anchor on open or close needs a calendar"
        raise ValueError(msg)
    return (session.open if anchor.kind == "open" else session.close) + anchor.shift


# Bots that are due together ask for the same few instants, and the zone arithmetic is the costly part.
@lru_cache(maxsize=256)
def local_instant(wall: datetime, timezone: str) -> datetime:
    """Return the first UTC instant at which the zone's wall clock shows `wall` (naive) or has just passed it."""
    zone = pytz.timezone(timezone)
    try:
        return zone.localize(wall, is_dst=None).astimezone(UTC)
    except pytz.AmbiguousTimeError:
        return min(zone.localize(wall, is_dst=is_dst).astimezone(UTC) for is_dst in (True, False))
    except pytz.NonExistentTimeError:
        # The clock jumps over `wall`: find the jump, to the second, between an instant before it and one after it.
        early, late = (wall.replace(tzinfo=UTC) + shift * _DAY for shift in (-2, 2))
        while late - early > timedelta(seconds=1):
            middle = (early + (late - early) / 2).replace(microsecond=0)
            if middle.astimezone(zone).replace(tzinfo=None) < wall:
                early = middle
            else:
                late = middle
        return late.replace(microsecond=0)


def _open_spans(schedule: Schedule, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Yield (after, until] cut down to when the schedule's days and calendar allow slots, as spans with both ends included."""
    span = (after + _TICK, until)
    if schedule.calendar is None and schedule.days == EVERY_DAY:
        if span[0] <= span[1]:
            yield span
        return
    calendar = calendars.load(schedule.calendar) if schedule.calendar else None
    zone = pytz.timezone(calendar.timezone if calendar is not None else schedule.timezone)
    day, last = (after.astimezone(zone) - _DAY).date(), (until.astimezone(zone) + _DAY).date()
    if calendar is not None:
        _check_known(schedule, calendar, after)
        day, last = max(day, calendar.valid_from), min(last, calendar.valid_through)
    while day <= last:
        if day.weekday() in schedule.days:
            for opens, closes in _hours(day, schedule.timezone, calendar):
                first, end = max(opens, span[0]), min(closes - _TICK, span[1])
                if first <= end:
                    yield first, end
        day += _DAY
    if calendar is not None:
        _check_known(schedule, calendar, until)


def _hours(day: date, timezone: str, calendar: calendars.Calendar | None) -> Iterator[tuple[datetime, datetime]]:
    if calendar is None:
        midnight = datetime.combine(day, datetime.min.time())
        yield local_instant(midnight, timezone), local_instant(midnight + _DAY, timezone)
        return
    session = calendar.session(day)
    if session is None:
        return
    if session.break_start is None or session.break_end is None:
        yield session.open, session.close
    else:
        yield session.open, session.break_start
        yield session.break_end, session.close


def _until_grid(schedule: Schedule, start: datetime) -> timedelta:
    every = schedule.every or _DAY
    return (EPOCH + schedule.offset - start) % every


def _grid_count(schedule: Schedule, first: datetime, last: datetime) -> int:
    room = last - first - _until_grid(schedule, first)
    return room // (schedule.every or _DAY) + 1 if room >= timedelta(0) else 0
