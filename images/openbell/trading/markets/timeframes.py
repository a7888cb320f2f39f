"""Timeframes: how long a bar is, and which bar should have closed by now."""

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache

import pytz

from openbell import calendars

CALENDARS = {"alpaca": "XNYS"}  # the sessions of a market's shares, where the manifest names no calendar
_TIMEFRAME = re.compile(r"([1-9][0-9]?)(m|h|d)")
_UNITS = {"m": timedelta(minutes=1), "h": timedelta(hours=1), "d": timedelta(days=1)}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
HOUR = timedelta(hours=1)


@lru_cache(maxsize=32)
def length(timeframe: str) -> timedelta | None:
    """Return how long a bar of "15m", "4h" or "1d" is, or None if that is not a timeframe."""
    match = _TIMEFRAME.fullmatch(timeframe)
    return int(match[1]) * _UNITS[match[2]] if match else None


def expected_close(timeframe: str, at: datetime, calendar: str | None) -> datetime | None:
    """Return when the newest bar that must be there at `at` has closed; None for a timeframe without a fixed grid.

    calendar: the exchange whose sessions the bars are of; None is a market that never closes, with a grid in UTC.
    Raises calendars.CalendarExpired where the calendar does not reach.
    """
    bar = length(timeframe)
    if bar is None or bar > DAY:
        return None
    if calendar is None:
        return at - (at - _EPOCH) % bar
    table = calendars.load(calendar)
    day = at.astimezone(pytz.timezone(table.timezone)).date()
    for _ in range(30):
        session = table.session(day)
        if session is not None:
            newest = _newest_in(session, at, bar)
            if newest is not None:
                # Where the grid of longer bars begins, every source decides for itself: one bar's length is left to it.
                return newest - bar if HOUR < bar < DAY else newest
        day -= DAY
    return None


def _newest_in(session: calendars.Session, at: datetime, bar: timedelta) -> datetime | None:
    """Return the close of the session's newest bar at `at`, or None if none has closed yet."""
    if at >= session.close:
        return session.close
    if bar >= DAY:
        return None
    newest = at - (at - _EPOCH) % bar
    return newest if newest > session.open else None
