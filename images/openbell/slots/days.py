"""The days of a schedule: which of them its rules allow, and which its calendar knows."""

from datetime import date, datetime

import pytz

from openbell.calendars import Calendar
from openbell.manifest import Anchor, Schedule

ALWAYS = "24/7"  # has no days of its own, so those of the schedule's zone count


def is_ruled(schedule: Schedule, day: date, calendar: Calendar | None) -> bool:
    """Tell whether a rule of the schedule allows a day or a session's date."""
    return any(rule.matches(day, calendar) for rule in schedule.rules)


def check_known(schedule: Schedule, calendar: Calendar, at: datetime) -> None:
    """Raise CalendarExpired unless the calendar knows every session that could have a slot at `at`."""
    for anchor in schedule.daily or (Anchor("open"),):
        zone = calendar.timezone if anchor.kind in {"open", "close"} else schedule.timezone
        calendar.has_session((at - anchor.shift).astimezone(pytz.timezone(zone)).date())
