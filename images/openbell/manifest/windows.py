"""Windows without slots: maintenance each week, or one announcement. They are read here and laid over a span of time."""

import re
from collections.abc import Iterable, Iterator
from datetime import date, datetime, time, timedelta
from functools import lru_cache

import pytz

from openbell.calendars.local_time import local_instant
from openbell.manifest.model import Window

ALLOWED = (
    '"fri 21:55 - sun 22:05 America/New_York", "daily 17:00 - 18:00 UTC" or "2026-12-16 13:55 - 14:30 Europe/Berlin"'
)
_DAY = timedelta(days=1)
_WEEK = 8 * _DAY  # in which every window that recurs begins once
_NAMES = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_CLOCK = r"((?:[01][0-9]|2[0-3]):[0-5][0-9])"
TEXT = re.compile(
    rf"(daily|{'|'.join(_NAMES)}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}) {_CLOCK} ?- ?"
    rf"(?:({'|'.join(_NAMES)}|[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}) )?{_CLOCK} (\S+)"
)


def window(text: object) -> Window | None:
    """Return the window that a text stands for, or None if it is not one, is empty, or names no zone."""
    match = TEXT.fullmatch(" ".join(text.split())) if isinstance(text, str) else None
    if match is None or match[5] not in pytz.all_timezones_set:
        return None
    first, last = match[1], match[3]
    start, end = time.fromisoformat(match[2]), time.fromisoformat(match[4])
    if first == "daily":
        found = Window(match[5], start, end, text=match[0])
        return found if last is None and start != end else None
    if first in _NAMES:
        if last is not None and last not in _NAMES:
            return None
        days = _NAMES.index(first), _NAMES.index(last or first)
        # "fri 17:00 - 18:00" ends on the same day, and "fri 22:00 - 02:00" on the next.
        if last is None and end <= start:
            days = days[0], (days[0] + 1) % 7
        found = Window(match[5], start, end, *days, text=match[0])
        return None if (days[0], start) == (days[1], end) else found
    try:
        dates = date.fromisoformat(first), date.fromisoformat(last or first)
    except ValueError:
        return None
    if last is None and end <= start:
        dates = dates[0], dates[0] + _DAY
    if (dates[0], start) >= (dates[1], end):
        return None
    return Window(match[5], start, end, first_date=dates[0], last_date=dates[1], text=match[0])


def windows(value: object) -> tuple[Window, ...] | None:
    """Return the windows of a list of texts."""
    texts = value if isinstance(value, list) else [value]
    found = [window(text) for text in texts]
    whole = tuple(one for one in found if one is not None)
    return whole if len(whole) == len(texts) else None


def from_setting(text: str) -> tuple[Window, ...] | None:
    """Return the windows of OPENBELL_BLACKOUT: texts with commas between them; None if one is wrong."""
    return windows([part.strip() for part in text.split(",") if part.strip()])


def spans(found: Iterable[Window], after: datetime, until: datetime) -> list[tuple[datetime, datetime]]:
    """Return the parts of a time that windows cover, each from its start until before its end, in their order."""
    covered = sorted(span for one in found for span in _spans(one, after, until))
    joined: list[tuple[datetime, datetime]] = []
    for start, end in covered:
        if joined and start <= joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined


def nearest(found: tuple[Window, ...], at: datetime) -> tuple[Window, datetime, datetime] | None:
    """Return the window that goes on at an instant or begins next, with its start and end; None if none comes."""
    # Windows begin and end on whole minutes: what holds at the beginning of one holds throughout.
    return _nearest(found, at.replace(second=0, microsecond=0)) if found else None


def covering(found: tuple[Window, ...], at: datetime) -> tuple[Window, datetime] | None:
    """Return the window that covers an instant and its end, or None."""
    near = nearest(found, at)
    return (near[0], near[2]) if near is not None and near[1] <= at else None


# Many bots have the same windows, and a stream asks each second.
@lru_cache(maxsize=64)
def _nearest(found: tuple[Window, ...], at: datetime) -> tuple[Window, datetime, datetime] | None:
    coming = [
        (start, index, end) for index, one in enumerate(found) for start, end in _spans(one, at, at + _WEEK) if end > at
    ]
    if not coming:
        return None
    start, index, end = min(coming)
    return found[index], start, end


def _spans(one: Window, after: datetime, until: datetime) -> Iterator[tuple[datetime, datetime]]:
    if one.first_date is not None and one.last_date is not None:
        first, last = one.first_date, one.last_date
        yield _instant(one, first, one.start), _instant(one, last, one.end)
        return
    zone = pytz.timezone(one.timezone)
    # A window of a week may have begun eight days before.
    day, end_day = after.astimezone(zone).date() - 8 * _DAY, until.astimezone(zone).date() + _DAY
    while day <= end_day:
        if one.first_day is None:
            yield _instant(one, day, one.start), _instant(one, day + _DAY * (one.end <= one.start), one.end)
        elif one.last_day is not None and day.weekday() == one.first_day:
            length = (one.last_day - one.first_day) % 7
            if length == 0 and one.end <= one.start:
                length = 7
            yield _instant(one, day, one.start), _instant(one, day + length * _DAY, one.end)
        day += _DAY


def _instant(one: Window, day: date, clock: time) -> datetime:
    return local_instant(datetime.combine(day, clock), one.timezone)
