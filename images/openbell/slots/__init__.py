"""Slots: the instants at which a schedule is due. Pure arithmetic, no clock.

A slot is an aware datetime in UTC. Daily times are local: in a spring gap the slot is the first instant after the gap,
in an autumn fold the first of the two. Intervals are elapsed time, on the grid of the day in UTC or from the session's
open on. With a calendar, slots lie on its sessions only: daily times on the session's date, intervals while the market
is open. Days of the week are those of the schedule's own zone, with every calendar.

The runner and the supervisor ask the same functions, so they agree on which runs should have happened.
"""

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import lru_cache

from openbell import calendars
from openbell.calendars import CalendarExpired
from openbell.calendars.local_time import local_instant
from openbell.instants import EPOCH
from openbell.manifest import EVERY_DAY, Schedule
from openbell.slots.daily import daily_times
from openbell.slots.days import ALWAYS, check_known
from openbell.slots.intervals import grid_count, open_spans

__all__ = ["closed_slots", "count_slots", "is_slot", "last_slot", "local_instant", "next_slot", "slots_between"]

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
            for first, last, origin in open_spans(schedule, start, end):
                count = grid_count(every, first, last, origin)
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
            for first, last, origin in open_spans(schedule, start, end):
                if count := grid_count(schedule.every, first, last, origin):
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
    return sum(grid_count(every, *span) for span in open_spans(schedule, after, until))


def _forget() -> None:
    for remembered in (_next_slot, _last_slot, _count_slots):
        remembered.cache_clear()


calendars.on_change(_forget)


def is_slot(schedule: Schedule, at: datetime) -> bool:
    """Tell whether a schedule is due at an instant."""
    if schedule.every is None or schedule.daily:
        return next(slots_between(schedule, at - _TICK, at), None) is not None
    if schedule.calendar is None and schedule.days == EVERY_DAY and not schedule.blackout:
        # No span to cut down; this is asked of each run.
        return not (_utc(at) - EPOCH - schedule.offset) % schedule.every
    spans = open_spans(schedule, _utc(at - _TICK), _utc(at))
    return any(not (at - origin) % schedule.every for _, _, origin in spans)


def closed_slots(schedule: Schedule, after: datetime, until: datetime) -> tuple[datetime, ...]:
    """Return the times with after < time <= until that are no slots because the market has closed early (or opens late)."""
    if schedule.every is not None or schedule.calendar in {None, ALWAYS} or schedule.early_close == "run":
        return ()
    after, until = _utc(after), _utc(until)
    if after >= until:
        return ()
    try:
        found = [slot for slot, is_closed in daily_times(schedule, after, until) if is_closed]
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
    for slot, is_closed in daily_times(schedule, after, until):
        if not is_closed:
            yield slot
    if calendar is not None:
        check_known(schedule, calendar, until)
