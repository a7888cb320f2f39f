"""When a day's bar opens and closes: the session of an exchange, or the whole day in UTC for what never closes."""

from datetime import UTC, date, datetime, time, timedelta
from functools import cache

import pytz

from openbell import calendars
from openbell.calendars import CalendarExpired
from openbell.calendars.local_time import local_instant

ALWAYS = "24/7"
SHARES = "XNYS"  # of shares whose bot names no calendar
_DAY = timedelta(days=1)


def calendar_of(symbol: str, named: str | None) -> str:
    """Return the calendar that a symbol's daily bars follow. A pair of currencies or coins (BTC/USD) has days in UTC.

    named: the calendar of the bot that trades the symbol, if it has one.
    """
    return ALWAYS if "/" in symbol else named or SHARES


class SessionHours:
    """The sessions of one calendar, also for days that its table does not reach."""

    def __init__(self, calendar: str) -> None:
        self.calendar = calendar
        self._table = calendars.load(calendar)
        self.zone = pytz.timezone(self._table.timezone)
        self.of = cache(self._of)  # symbols share their days

    @property
    def never_closes(self) -> bool:
        """Tell whether a day's bar is that of the whole day in UTC."""
        return self.calendar == ALWAYS

    def _of(self, day: date) -> tuple[datetime, datetime]:
        """Return when the bar of a local date opens and closes, aware UTC.

        A day on which the exchange was closed, or that lies outside the table, has the regular hours of its time.
        """
        if self.never_closes:
            opening = datetime.combine(day, time.min, UTC)
            return opening, opening + _DAY
        try:
            session = self._table.session(day)
        except CalendarExpired:
            session = None
        if session is not None:
            return session.open, session.close
        hours = next((one for one in self._table.hours if one.since <= day), self._table.hours[-1])
        midnight = datetime.combine(day, time.min)
        zone = self._table.timezone
        return local_instant(midnight + hours.open, zone), local_instant(midnight + hours.close, zone)

    def day(self, at: datetime) -> date:
        """Return the local date of an instant."""
        return at.astimezone(self.zone).date()

    def is_within(self, at: datetime) -> bool:
        """Tell whether a bar that opens at `at` belongs to the regular session of its day."""
        opening, closing = self.of(self.day(at))
        return opening <= at < closing
