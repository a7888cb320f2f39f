"""Exchange calendars: on which local dates an exchange has a session, and from when to when.

The tables beside this file are written by scripts/generate-calendars, and each is read when it is named for the first
time. Asking one about a day outside its range is an error, never a guess: a calendar that silently ran out would let
bots sleep through open markets.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import date, time, timedelta
from functools import cache
from pathlib import Path
from typing import NotRequired, TypedDict

from openbell.calendars.sessions import Calendar, CalendarExpired, Hours, Session
from openbell.records import dataclass, field

__all__ = [
    "Calendar",
    "CalendarExpired",
    "Hours",
    "OwnDays",
    "Session",
    "UnknownCalendar",
    "added_to",
    "aliases",
    "load",
    "names",
    "on_change",
    "use",
]

_FOLDER = Path(__file__).parent
_DAY = timedelta(days=1)


class UnknownCalendar(ValueError):  # noqa: N818 - as above
    """A calendar name that openbell does not have; the message is one line that lists those it has."""


@dataclass(frozen=True)
class OwnDays:
    """What a user adds to a calendar: days without a session, and days that close early, by local times."""

    closures: frozenset[date] = frozenset()
    early_closes: Mapping[date, time] = field(default_factory=dict)


_own: dict[str, OwnDays] = {}
_on_change: list[Callable[[], None]] = []


def use(days: Mapping[str, OwnDays]) -> bool:
    """Add these own days to the calendars, in place of those that were added; tell whether anything has changed."""
    if days == _own:
        return False
    _own.clear()
    _own.update(days)
    _load.cache_clear()
    for forget in _on_change:
        forget()
    return True


def added_to(name: str) -> OwnDays:
    """Return what was added to a calendar."""
    return _own.get(name, OwnDays())


def on_change(forget: Callable[[], None]) -> None:
    """Call `forget` whenever calendars change: who remembers what follows from them must not go on doing so."""
    _on_change.append(forget)


def names() -> tuple[str, ...]:
    """Return the names of all calendars, sorted."""
    return _names()


@cache
def aliases() -> Mapping[str, str]:
    """Return the other names under which exchanges are known, such as "NYSE", and the calendar that each stands for."""
    lines = (_FOLDER / "aliases.txt").read_text(encoding="utf-8").splitlines()
    return dict(line.split(" ", 1) for line in lines)


def load(name: str) -> Calendar:
    """Return the calendar of that name, the same object each time; UnknownCalendar if there is none."""
    if name not in _names():
        msg = f'unknown calendar "{name}"; known: {", ".join(_names())}'
        raise UnknownCalendar(msg)
    return _load(name)


class _Table(TypedDict):
    """A table as its file holds it: dates are ISO, days are "MM-DD MM-DD …" by year.

    Hours are local: "09:00-11:30 12:30-15:30" has a break, and "<17:00-16:00" opens on the day before.
    """

    name: str
    timezone: str
    valid_from: str
    valid_through: str
    generated_by: str
    holidays_through: NotRequired[str]
    weekmask: str  # Monday first, "1" has sessions
    hours: list[list[str]]  # since when, and the regular hours; the oldest first
    special_hours: dict[str, dict[str, str]]  # hours to days
    closures: dict[str, str]
    extra_sessions: dict[str, str]


_ALWAYS: _Table = {
    "name": "24/7",
    "timezone": "UTC",
    "valid_from": "0001-01-01",
    "valid_through": "9999-12-30",  # the very last day's close is an instant that datetime cannot hold
    "generated_by": "",
    "weekmask": "1111111",
    "hours": [["0001-01-01", "00:00-24:00"]],
    "special_hours": {},
    "closures": {},
    "extra_sessions": {},
}


@cache
def _names() -> tuple[str, ...]:
    return tuple(sorted([_ALWAYS["name"], *(path.stem.replace("-", "/") for path in _FOLDER.glob("*.json"))]))


@cache
def _load(name: str) -> Calendar:
    table: _Table = _ALWAYS
    if name != _ALWAYS["name"]:
        table = json.loads((_FOLDER / f"{name.replace('/', '-')}.json").read_text(encoding="utf-8"))
    own, hours = (
        added_to(name),
        tuple(_hours(text, date.fromisoformat(since)) for since, text in reversed(table["hours"])),
    )
    holidays_through = table.get("holidays_through")
    special_hours = {
        ordinal: unusual
        for text, days in table["special_hours"].items()
        for unusual in [_hours(text, date.min)]
        for ordinal in _ordinals(days)
    }
    for day, at in own.early_closes.items():
        usual = next((one for one in hours if one.since <= day), hours[-1])
        special_hours[day.toordinal()] = _ended(special_hours.get(day.toordinal(), usual), at)
    return Calendar(
        name=table["name"],
        timezone=table["timezone"],
        valid_from=date.fromisoformat(table["valid_from"]),
        valid_through=date.fromisoformat(table["valid_through"]),
        weekdays=frozenset(weekday for weekday, mark in enumerate(table["weekmask"]) if mark == "1"),
        hours=hours,
        closures=frozenset(_ordinals(table["closures"])) | {day.toordinal() for day in own.closures},
        special_hours=special_hours,
        extra_sessions=frozenset(_ordinals(table["extra_sessions"])),
        holidays_through=date.fromisoformat(holidays_through) if holidays_through else None,
    )


def _ended(hours: Hours, at: time) -> Hours:
    """Return hours that end at a local time, without a break that would begin after it."""
    close = timedelta(hours=at.hour, minutes=at.minute)
    if hours.break_end is not None and hours.break_end >= close:
        return Hours(date.min, hours.open, min(close, hours.break_start or close))
    return hours._replace(since=date.min, close=close)


def _hours(text: str, since: date) -> Hours:
    morning, _, afternoon = text.partition(" ")
    opens, _, first_end = morning.partition("-")
    if not afternoon:
        return Hours(since, _wall(opens), _wall(first_end))
    second_start, _, closes = afternoon.partition("-")
    return Hours(since, _wall(opens), _wall(closes), _wall(first_end), _wall(second_start))


def _ordinals(days_by_year: Mapping[str, str]) -> Iterator[int]:
    for year, days in days_by_year.items():
        for day in days.split():
            yield date.fromisoformat(f"{year}-{day}").toordinal()


def _wall(text: str) -> timedelta:
    hours, minutes = text.removeprefix("<").split(":")
    return timedelta(hours=int(hours), minutes=int(minutes)) - (_DAY if text.startswith("<") else timedelta(0))
