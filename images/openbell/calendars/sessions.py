"""The sessions of one exchange: on which local dates, and from when to when."""

from collections.abc import Iterator, Mapping
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from typing import NamedTuple

import pytz

from openbell.calendars.local_time import local_instant
from openbell.records import dataclass, field

_DAY = timedelta(days=1)
# The end of a table is told long before it comes. Who asks for a day so long after it most likely has a wrong clock.
_FAR = timedelta(days=90)


class CalendarExpired(ValueError):  # noqa: N818 - it names what happened to the calendar
    """A day outside the range that a calendar's table covers; the message is one line that says what to do."""


class Session(NamedTuple):
    """One trading day of a calendar; every instant is aware UTC, `date` is the exchange's own.

    A session may open on the evening before its date.
    """

    date: date
    open: datetime
    close: datetime
    break_start: datetime | None
    break_end: datetime | None
    early_close: bool
    # What the hours would be on a regular day; None where they are that.
    regular_open: datetime | None = None
    regular_close: datetime | None = None

    def is_shortened_at(self, at: datetime) -> bool:
        """Tell whether the market would be open at an instant on a regular day, and is not on this one."""
        if self.regular_open is None or self.regular_close is None:
            return False
        return self.regular_open <= at < self.open or self.close <= at < self.regular_close


class Hours(NamedTuple):
    """The hours of sessions from one date on, as wall times since local midnight; both ends of a break may be None."""

    since: date
    open: timedelta  # below zero on the day before
    close: timedelta
    break_start: timedelta | None = None
    break_end: timedelta | None = None


# Two calendars are equal only if they are one object: the cache below hashes them, and hashing a table would be slow.
@dataclass(frozen=True, eq=False)
class Calendar:
    """The sessions of one exchange, from `valid_from` through `valid_through` (both included)."""

    name: str
    timezone: str
    valid_from: date
    valid_through: date
    weekdays: frozenset[int] = field(repr=False)  # that have sessions; Monday is 0
    hours: tuple[Hours, ...] = field(repr=False)  # the newest first; the last reaches back to valid_from
    closures: frozenset[int] = field(repr=False)  # ordinals of the weekdays without a session
    special_hours: Mapping[int, Hours] = field(repr=False)  # ordinal to the hours of an unusual day
    extra_sessions: frozenset[int] = field(repr=False, default=frozenset())  # ordinals of weekend days with one
    holidays_through: date | None = None  # after it, holidays that follow no rule are missing

    @property
    def opens_on_the_evening_before(self) -> bool:
        """Tell whether its sessions begin on the day before their date."""
        return self.hours[0].open < timedelta(0)

    def session(self, day: date) -> Session | None:
        """Return the session whose local date is `day`, or None if the exchange is closed all that day.

        Raises CalendarExpired outside the calendar's range.
        """
        if not self.valid_from <= day <= self.valid_through:
            raise CalendarExpired(self._expired(day))
        return self._session(day)

    def has_session(self, day: date) -> bool:
        """Tell whether there is a session on `day`; CalendarExpired outside the calendar's range."""
        if not self.valid_from <= day <= self.valid_through:
            raise CalendarExpired(self._expired(day))
        ordinal = day.toordinal()
        return ordinal not in self.closures and (day.weekday() in self.weekdays or ordinal in self.extra_sessions)

    def session_date(self, at: datetime) -> date:
        """Return the date of the session to which an instant (aware) belongs, by the exchange's own clock.

        Where sessions begin on an evening, that is the next day's from then on.
        """
        local = at.astimezone(pytz.timezone(self.timezone)).replace(tzinfo=None)
        evening = self.hours[0].open + _DAY
        midnight = datetime.combine(local.date(), time.min)
        return local.date() + (_DAY if local - midnight >= evening else timedelta(0))

    def is_open(self, at: datetime) -> bool:
        """Tell whether the exchange trades at `at` (aware): from the open until before the close, except in the break.

        Raises CalendarExpired outside the calendar's range, and ValueError if `at` has no time zone.
        """
        if at.utcoffset() is None:
            msg = f"is_open needs an aware time, got {at.isoformat()}"
            raise ValueError(msg)
        day = at.astimezone(pytz.timezone(self.timezone)).date()
        sessions = [self.session(day)]
        # What begins on an evening is the session of the next day.
        if self.opens_on_the_evening_before and day < self.valid_through:
            sessions.append(self.session(day + _DAY))
        return any(_trades(session, at) for session in sessions if session is not None)

    def sessions(self, first: date, last: date) -> Iterator[Session]:
        """Yield the sessions of the local dates from `first` through `last`, oldest first.

        Raises CalendarExpired when the iteration comes to a day outside the calendar's range.
        """
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            session = self.session(date.fromordinal(ordinal))
            if session is not None:
                yield session

    # Many bots ask for the same few days, and the zone arithmetic is the costly part. A calendar is replaced only when
    # the user's own days change, so the cache keeps few alive that would otherwise go.
    @lru_cache(maxsize=8192)  # noqa: B019
    def _session(self, day: date) -> Session | None:
        if not self.has_session(day):
            return None
        ordinal = day.toordinal()
        regular = next((hours for hours in self.hours if hours.since <= day), self.hours[-1])
        hours = self.special_hours.get(ordinal, regular)
        is_special = hours is not regular
        midnight = datetime.combine(day, time.min)
        return Session(
            date=day,
            open=local_instant(midnight + hours.open, self.timezone),
            close=local_instant(midnight + hours.close, self.timezone),
            break_start=self._instant(midnight, hours.break_start),
            break_end=self._instant(midnight, hours.break_end),
            early_close=hours.close < regular.close,
            regular_open=self._instant(midnight, regular.open if is_special else None),
            regular_close=self._instant(midnight, regular.close if is_special else None),
        )

    def _instant(self, midnight: datetime, wall: timedelta | None) -> datetime | None:
        return None if wall is None else local_instant(midnight + wall, self.timezone)

    def _expired(self, day: date) -> str:
        remedy = "update openbell, or write a longer table with scripts/generate-calendars"
        if day - self.valid_through > _FAR:
            remedy = f"the machine's clock is the likely cause: see that it is right; if it is, {remedy}"
        span = f"it is valid from {self.valid_from} through {self.valid_through}"
        return f"calendar {self.name} does not know {day}: {span}; {remedy}"


def _trades(session: Session, at: datetime) -> bool:
    if not session.open <= at < session.close:
        return False
    if session.break_start is None or session.break_end is None:
        return True
    return not session.break_start <= at < session.break_end
