"""Weeks, months and quarters: where a session stands among those of its period. Without a calendar every day counts."""

from datetime import date, timedelta
from functools import lru_cache

from openbell.calendars import Calendar

PERIODS = ("week", "month", "quarter")
_DAY = timedelta(days=1)


def is_nth(day: date, nth: int, period: str, calendar: Calendar | None) -> bool:
    """Tell whether `day` is the nth session of its period; -1 is the last one.

    Raises CalendarExpired where the calendar does not know the sessions that this depends on.
    """
    first, last = bounds(day, period, calendar)
    if nth > 0:
        return _count(calendar, first, day) == nth and _is_session(calendar, day)
    return _count(calendar, day, last) == -nth and _is_session(calendar, day)


def bounds(day: date, period: str, calendar: Calendar | None) -> tuple[date, date]:
    """Return the first and the last date of the period that holds `day`."""
    if period == "week":
        first = day - (day.weekday() - _week_begins(calendar)) % 7 * _DAY
        return first, first + 6 * _DAY
    month = day.month if period == "month" else day.month - (day.month - 1) % 3
    months = 1 if period == "month" else 3
    first = day.replace(month=month, day=1)
    following = month + months
    after = date(day.year + 1, 1, 1) if following > 12 else date(day.year, following, 1)
    return first, after - _DAY


def is_nth_weekday(day: date, nth: int, weekday: int) -> bool:
    """Tell whether `day` is the nth such weekday of its month; -1 is the last one."""
    if day.weekday() != weekday:
        return False
    return (day.day - 1) // 7 == nth - 1 if nth > 0 else (day + 7 * _DAY).month != day.month


def _week_begins(calendar: Calendar | None) -> int:
    """Return the weekday after the weekend: where it is Friday and Saturday, weeks begin on Sunday."""
    weekdays = calendar.weekdays if calendar is not None else frozenset(range(7))
    begins = [weekday for weekday in weekdays if (weekday - 1) % 7 not in weekdays]
    return begins[0] if len(begins) == 1 else 0


# A calendar that changes becomes another object, so what is remembered of it does no harm.
@lru_cache(maxsize=128)
def _count(calendar: Calendar | None, first: date, last: date) -> int:
    if calendar is None:
        return (last - first).days + 1
    return sum(calendar.has_session(first + number * _DAY) for number in range((last - first).days + 1))


def _is_session(calendar: Calendar | None, day: date) -> bool:
    return calendar is None or calendar.has_session(day)
