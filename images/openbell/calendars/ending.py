"""Calendars whose knowledge ends soon: the table itself, or the holidays that follow no rule."""

from collections.abc import Iterator
from datetime import date, timedelta

from openbell import calendars
from openbell.calendars import Calendar

NOTICE = timedelta(days=90)


def holidays_end(calendar: Calendar) -> date | None:
    """Return through when holidays that follow no rule are known, those that the user has added included; None: always."""
    if calendar.holidays_through is None:
        return None
    return max([calendar.holidays_through, *calendars.added_to(calendar.name).closures])


def endings(calendar: Calendar, today: date) -> Iterator[str]:
    """Yield what a person has to do about a calendar whose knowledge ends within 90 days, one line each."""
    if calendar.valid_through - today <= NOTICE:
        yield f"it ends within {NOTICE.days} days, on {calendar.valid_through}: update openbell"
    end = holidays_end(calendar)
    if end is not None and end - today <= NOTICE:
        yield (
            f"holidays that follow no rule are known through {end}: write those that follow into "
            f"strategies/calendar.toml, below [{calendar.name}]"
        )
