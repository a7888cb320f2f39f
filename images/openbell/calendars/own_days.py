"""The user's own closures and early closes: what is announced tomorrow, in one file for all strategies.

`strategies/calendar.toml` has a table for each calendar:

    [XNYS]
    closures = ["2027-01-09"]
    early_closes = { "2026-12-23" = "13:00" }

A running loop and the supervisor read the same as JSON in the control space, and look for changes each second.
"""

import re
import tomllib
from collections.abc import Iterator, Mapping
from datetime import date, time
from pathlib import Path

from openbell import calendars
from openbell.calendars import OwnDays

TOML = "calendar.toml"
JSON = "calendar.json"
_CLOCK = re.compile(r"([01][0-9]|2[0-3]):[0-5][0-9]")


class OwnDaysError(ValueError):
    """A file of own days that cannot be used; one line for each problem."""


def parse(table: Mapping[str, object], file: str) -> dict[str, OwnDays]:
    """Return the days by calendar; OwnDaysError has every problem of the file, one line each."""
    problems: list[str] = []
    found: dict[str, OwnDays] = {}
    for given, days in table.items():
        name = calendars.aliases().get(given, given)
        if name not in calendars.names() or name == "24/7":
            problems.append(
                f"{file}: {given}: found an unknown calendar; allowed: the name of an exchange's, as in [XNYS]"
            )
        elif not isinstance(days, Mapping):
            problems.append(f"{file}: {given}: found {days!r}; allowed: a table with closures and early_closes")
        else:
            wrong = list(_problems(name, days))
            problems += [f"{file}: {name}.{text}" for text in wrong]
            if not wrong:
                found[name] = _days(days)
    if problems:
        raise OwnDaysError("\n".join(problems))
    return found


def _problems(name: str, days: Mapping[object, object]) -> Iterator[str]:
    for key in days:
        if key not in {"closures", "early_closes"}:
            yield f"{key}: found an unknown key; allowed: closures, early_closes"
    closures, early = days.get("closures", []), days.get("early_closes", {})
    if not isinstance(closures, list) or not all(_date(one) for one in closures):
        yield f'closures: found {closures!r}; allowed: a list of dates such as ["2027-01-09"]'
    if not isinstance(early, Mapping) or not all(_date(day) and _clock(at) for day, at in early.items()):
        yield f'early_closes: found {early!r}; allowed: dates and times such as {{ "2026-12-23" = "13:00" }}'
        return
    calendar = calendars.load(name)
    for day in filter(None, map(_date, early)):
        if not calendar.valid_from <= day <= calendar.valid_through:
            yield f"early_closes: found {day}; allowed: days from {calendar.valid_from} through {calendar.valid_through}"


def _days(days: Mapping[object, object]) -> OwnDays:
    closures, early = days.get("closures", []), days.get("early_closes", {})
    return OwnDays(
        frozenset(day for day in map(_date, closures if isinstance(closures, list) else []) if day),
        {
            day: at
            for day, at in ((_date(one), _clock(text)) for one, text in dict(early).items())  # type: ignore[call-overload]
            if day and at
        },
    )


def _date(value: object) -> date | None:
    if isinstance(value, date):
        return value  # a date as TOML has it
    try:
        return date.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        return None


def _clock(value: object) -> time | None:
    if isinstance(value, time):
        return value
    return time.fromisoformat(value) if isinstance(value, str) and _CLOCK.fullmatch(value) else None


def read(path: Path) -> dict[str, OwnDays]:
    """Return the days of a TOML file; none if there is no such file. OwnDaysError if it cannot be used."""
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, RecursionError) as error:
        msg = f"{path.name}: file: found {error}; allowed: a readable file in UTF-8"
        raise OwnDaysError(msg) from None
    return parse(table, path.name)


def as_json(days: Mapping[str, OwnDays]) -> dict[str, object]:
    """Return days as the control space has them."""
    return {
        name: {
            "closures": sorted(day.isoformat() for day in own.closures),
            "early_closes": {day.isoformat(): f"{at:%H:%M}" for day, at in sorted(own.early_closes.items())},
        }
        for name, own in sorted(days.items())
    }
