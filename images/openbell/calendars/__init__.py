"""Calendars: when an exchange trades, from small generated tables that each know how far they reach.

The tables beside this file are written by scripts/generate-calendars. Asking one about a day outside its range is an
error, never a guess: a calendar that silently ran out would let bots sleep through open markets.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import cache, lru_cache
from pathlib import Path
from typing import NamedTuple, NotRequired, TypedDict

import pytz

__all__ = ["Calendar", "CalendarExpired", "Hours", "Session", "UnknownCalendar", "load", "names"]

_FOLDER = Path(__file__).parent


class CalendarExpired(ValueError):  # noqa: N818 - it names what happened to the calendar
    """A day outside the range that a calendar's table covers; the message is one line that says what to do."""


class UnknownCalendar(ValueError):  # noqa: N818 - as above
    """A calendar name that openbell does not have; the message is one line that lists those it has."""


@dataclass(frozen=True, slots=True)
class Session:
    """One trading day of a calendar; every instant is aware UTC, `date` is the exchange's own."""

    date: date
    open: datetime
    close: datetime
    break_start: datetime | None
    break_end: datetime | None
    early_close: bool


class Hours(NamedTuple):
    """The regular hours from one date on, as wall times since local midnight; both ends of a break may be None."""

    since: date
    open: timedelta
    close: timedelta
    break_start: timedelta | None
    break_end: timedelta | None


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
    early_closes: Mapping[int, timedelta] = field(repr=False)  # ordinal to wall time, as in Hours

    def session(self, day: date) -> Session | None:
        """Return the session whose local date is `day`, or None if the exchange is closed all that day.

        Raises CalendarExpired outside the calendar's range.
        """
        if not self.valid_from <= day <= self.valid_through:
            msg = (
                f"calendar {self.name} does not know {day}: it is valid from {self.valid_from} through "
                f"{self.valid_through}; update openbell, or write a longer table with scripts/generate-calendars"
            )
            raise CalendarExpired(msg)
        return self._session(day)

    def is_open(self, at: datetime) -> bool:
        """Tell whether the exchange trades at `at` (aware): from the open until before the close, except in the break.

        Raises CalendarExpired outside the calendar's range, and ValueError if `at` has no time zone.
        """
        if at.utcoffset() is None:
            msg = f"is_open needs an aware time, got {at.isoformat()}"
            raise ValueError(msg)
        # No session spans two local days, so the one of the local date is the only one that can contain the instant.
        session = self.session(at.astimezone(pytz.timezone(self.timezone)).date())
        if session is None or not session.open <= at < session.close:
            return False
        if session.break_start is None or session.break_end is None:
            return True
        return not session.break_start <= at < session.break_end

    def sessions(self, first: date, last: date) -> Iterator[Session]:
        """Yield the sessions of the local dates from `first` through `last`, oldest first.

        Raises CalendarExpired when the iteration comes to a day outside the calendar's range.
        """
        for ordinal in range(first.toordinal(), last.toordinal() + 1):
            session = self.session(date.fromordinal(ordinal))
            if session is not None:
                yield session

    # Many bots ask for the same few days, and the zone arithmetic is the costly part. Calendars live as long as the
    # process (see `load`), so the cache keeps none alive that would otherwise go.
    @lru_cache(maxsize=512)  # noqa: B019
    def _session(self, day: date) -> Session | None:
        ordinal = day.toordinal()
        if day.weekday() not in self.weekdays or ordinal in self.closures:
            return None
        hours = next(hours for hours in self.hours if hours.since <= day)
        early_close = self.early_closes.get(ordinal)
        return Session(
            date=day,
            open=self._instant(day, hours.open),
            close=self._instant(day, hours.close if early_close is None else early_close),
            break_start=None if hours.break_start is None else self._instant(day, hours.break_start),
            break_end=None if hours.break_end is None else self._instant(day, hours.break_end),
            early_close=early_close is not None,
        )

    def _instant(self, day: date, wall: timedelta) -> datetime:
        # No exchange opens or closes in an hour that a clock change skips or repeats; if one does, is_dst=None raises.
        midnight = datetime.combine(day, time.min)
        return pytz.timezone(self.timezone).localize(midnight + wall, is_dst=None).astimezone(UTC)


def names() -> tuple[str, ...]:
    """Return the names of all calendars, sorted."""
    return _names()


def load(name: str) -> Calendar:
    """Return the calendar of that name, the same object each time; UnknownCalendar if there is none."""
    if name not in _names():
        msg = f'unknown calendar "{name}"; known: {", ".join(_names())}'
        raise UnknownCalendar(msg)
    return _load(name)


class _HoursRow(TypedDict):
    since: str
    open: str
    close: str
    break_start: NotRequired[str]
    break_end: NotRequired[str]


class _Table(TypedDict):
    """A table as its file holds it: dates are ISO, times are local "HH:MM", days are "MM-DD MM-DD …" by year."""

    name: str
    timezone: str
    valid_from: str
    valid_through: str
    generated_by: str
    weekmask: str  # Monday first, "1" has sessions
    hours: list[_HoursRow]  # the oldest first
    early_closes: dict[str, dict[str, str]]  # closing time to days
    closures: dict[str, str]


_ALWAYS: _Table = {
    "name": "24/7",
    "timezone": "UTC",
    "valid_from": "0001-01-01",
    "valid_through": "9999-12-30",  # the very last day's close is an instant that datetime cannot hold
    "generated_by": "",
    "weekmask": "1111111",
    "hours": [{"since": "0001-01-01", "open": "00:00", "close": "24:00"}],
    "early_closes": {},
    "closures": {},
}


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted([_ALWAYS["name"], *(path.stem for path in _FOLDER.glob("*.json"))]))


@cache
def _load(name: str) -> Calendar:
    table: _Table = _ALWAYS
    if name != _ALWAYS["name"]:
        table = json.loads((_FOLDER / f"{name}.json").read_text(encoding="utf-8"))
    return Calendar(
        name=table["name"],
        timezone=table["timezone"],
        valid_from=date.fromisoformat(table["valid_from"]),
        valid_through=date.fromisoformat(table["valid_through"]),
        weekdays=frozenset(weekday for weekday, mark in enumerate(table["weekmask"]) if mark == "1"),
        hours=tuple(_hours(row) for row in reversed(table["hours"])),
        closures=frozenset(_ordinals(table["closures"])),
        early_closes={
            ordinal: _wall(text) for text, days in table["early_closes"].items() for ordinal in _ordinals(days)
        },
    )


def _hours(row: _HoursRow) -> Hours:
    return Hours(
        since=date.fromisoformat(row["since"]),
        open=_wall(row["open"]),
        close=_wall(row["close"]),
        break_start=_wall(row["break_start"]) if "break_start" in row else None,
        break_end=_wall(row["break_end"]) if "break_end" in row else None,
    )


def _ordinals(days_by_year: Mapping[str, str]) -> Iterator[int]:
    for year, days in days_by_year.items():
        for day in days.split():
            yield date.fromisoformat(f"{year}-{day}").toordinal()


def _wall(text: str) -> timedelta:
    hours, minutes = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes))
