"""Times of day in a time zone: quiet hours, and things that happen once a day."""

from dataclasses import dataclass
from datetime import datetime, time, timedelta

import pytz

from openbell.slots import local_instant


@dataclass(frozen=True)
class QuietHours:
    """Hours of the day in which only critical messages are sent; they may span midnight."""

    begin: time
    end: time
    timezone: str

    def covers(self, at: datetime) -> bool:
        """Tell whether an instant lies in them."""
        clock = at.astimezone(pytz.timezone(self.timezone)).time()
        if self.begin < self.end:
            return self.begin <= clock < self.end
        return clock >= self.begin or clock < self.end

    def end_after(self, at: datetime) -> datetime:
        """Return when they end next."""
        day = at.astimezone(pytz.timezone(self.timezone)).date()
        ends = (local_instant(datetime.combine(day + timedelta(days=n), self.end), self.timezone) for n in range(3))
        return next(end for end in ends if end > at)


@dataclass(frozen=True)
class DailyTime:
    """Something that happens at a local time on some days of the week (Monday is 0)."""

    name: str
    clock: time
    timezone: str
    days: frozenset[int]

    def newest(self, now: datetime) -> datetime:
        """Return the newest instant up to now at which it was due."""
        return next(at for at in self._around(now, step=-1) if at <= now)

    def next(self, now: datetime) -> datetime:
        """Return the first instant after now at which it is due."""
        return next(at for at in self._around(now, step=1) if at > now)

    def _around(self, now: datetime, step: int) -> list[datetime]:
        day = now.astimezone(pytz.timezone(self.timezone)).date() - timedelta(days=step)
        found = (day + timedelta(days=step * n) for n in range(10))
        return [
            local_instant(datetime.combine(one, self.clock), self.timezone)
            for one in found
            if one.weekday() in self.days
        ]
