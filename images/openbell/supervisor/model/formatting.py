"""Times and durations as a person reads them, in the zone of the strategy."""

from datetime import date, datetime, timedelta
from functools import lru_cache

import pytz

from openbell.slots import local_instant


def local(at: datetime, timezone: str, now: datetime) -> str:
    """Return an instant in the zone's wall time, with the date unless it is today's: "Mon 24 Nov 09:35:00 EST"."""
    zone = pytz.timezone(timezone)
    here, today = at.astimezone(zone), now.astimezone(zone).date()
    if here.date() == today:
        return f"{here:%H:%M:%S %Z}"
    return dated(at, timezone) if here.year == today.year else f"{here:%a} {here.day} {here:%b %Y %H:%M:%S %Z}"


def dated(at: datetime, timezone: str) -> str:
    """Return an instant in the zone's wall time, always with its date: "Mon 24 Nov 09:35:00 EST"."""
    here = at.astimezone(pytz.timezone(timezone))
    return f"{here:%a} {here.day} {here:%b %H:%M:%S %Z}"


def clock(at: datetime, timezone: str) -> str:
    """Return an instant as the zone's clock shows it: "09:35"."""
    return f"{at.astimezone(pytz.timezone(timezone)):%H:%M}"


def day_name(at: datetime, timezone: str) -> str:
    """Return an instant's day in the zone: "Mon 24"."""
    here = at.astimezone(pytz.timezone(timezone))
    return f"{here:%a} {here.day}"


def next_midnight(now: datetime, timezone: str) -> datetime:
    """Return the instant at which the zone's next day begins."""
    return _midnight(now, timezone, 1)


def midnight(now: datetime, timezone: str) -> datetime:
    """Return the instant at which the zone's current day began."""
    return _midnight(now, timezone, 0)


def monday(now: datetime, timezone: str) -> datetime:
    """Return the instant at which the zone's current week began."""
    return _midnight(now, timezone, -now.astimezone(pytz.timezone(timezone)).weekday())


def _midnight(now: datetime, timezone: str, days: int) -> datetime:
    return _begin(now.astimezone(pytz.timezone(timezone)).date() + timedelta(days=days), timezone)


@lru_cache(64)  # a thousand bots ask for the same few days
def _begin(day: date, timezone: str) -> datetime:
    return local_instant(datetime.combine(day, datetime.min.time()), timezone)


def span(length: timedelta) -> str:
    """Return a duration in its two largest units: "45 s", "3 min 20 s", "2 h 5 min", "3 d 4 h"."""
    seconds = max(0, round(length.total_seconds()))
    for unit, size, below, smaller in (("d", 86400, "h", 3600), ("h", 3600, "min", 60), ("min", 60, "s", 1)):
        if seconds >= size:
            rest = seconds % size // smaller
            return f"{seconds // size} {unit}" + (f" {rest} {below}" if rest else "")
    return f"{seconds} s"


def milliseconds(value: float | None) -> str:
    """Return milliseconds in a readable unit: "0.4 ms", "230 ms", "2.4 s", "3 min 20 s"."""
    if value is None:
        return "?"
    if value < 1000:
        return f"{value:.0f} ms" if value >= 10 else f"{value:.1f} ms"
    return f"{value / 1000:.1f} s" if value < 60_000 else span(timedelta(milliseconds=value))
