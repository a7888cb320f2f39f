"""Local time: the instant that a wall clock stands for, also in the hours that a clock change skips or repeats."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

import pytz

_DAY = timedelta(days=1)
_EPOCH, _LOCAL_EPOCH = datetime(1970, 1, 1, tzinfo=UTC), datetime(1970, 1, 1)

# Before it opens its first zone, pytz looks in each process whether the files of all 597 are there. They are part of it.
pytz.all_timezones_set = set(pytz._all_timezones_unchecked)  # type: ignore[attr-defined]  # noqa: SLF001

# Of each zone the span that was asked for last, and what its clock showed in 1970 by the offset of that span.
_settled: dict[str, tuple[datetime, datetime, datetime]] = {}


def local_instant(wall: datetime, timezone: str) -> datetime:
    """Return the first UTC instant at which the zone's wall clock shows `wall` (naive) or has just passed it."""
    span = _settled.get(timezone)
    if span is None or not span[0] <= wall < span[1]:
        found = _settled_span(pytz.timezone(timezone), wall)
        if found is None:
            return _unsettled(wall, timezone)
        span = _settled[timezone] = found[0], found[1], _LOCAL_EPOCH + found[2]
    return _EPOCH + (wall - span[2])  # `replace(tzinfo=UTC)` takes ten times as long


# Bots that are due together ask for the same few instants.
@lru_cache(maxsize=256)
def _unsettled(wall: datetime, timezone: str) -> datetime:
    """Return the instant where the zone's clock may change near it."""
    zone = pytz.timezone(timezone)
    try:
        return zone.localize(wall, is_dst=None).astimezone(UTC)
    except pytz.AmbiguousTimeError:
        return min(zone.localize(wall, is_dst=is_dst).astimezone(UTC) for is_dst in (True, False))
    except pytz.NonExistentTimeError:
        # The clock jumps over `wall`: find the jump, to the second, between an instant before it and one after it.
        early, late = (wall.replace(tzinfo=UTC) + shift * _DAY for shift in (-2, 2))
        while late - early > timedelta(seconds=1):
            middle = (early + (late - early) / 2).replace(microsecond=0)
            if middle.astimezone(zone).replace(tzinfo=None) < wall:
                early = middle
            else:
                late = middle
        return late.replace(microsecond=0)


def _settled_span(zone: tzinfo, wall: datetime) -> tuple[datetime, datetime, timedelta] | None:
    """Return the span around `wall` in which the zone's clock does not change, and its offset; None within days of a change.

    pytz tries every offset of a zone in turn, which is most of what a year of slots costs. Its table of changes says at
    once that there is none nearby; where a zone has no such table, pytz is asked.
    """
    changes: list[datetime] | None = getattr(zone, "_utc_transition_times", None)
    # The table's first entry stands for the beginning of time.
    if not changes or not changes[0] + 3 * _DAY < wall < datetime.max - 3 * _DAY:
        return None
    # A clock is at most a day ahead of UTC or behind it, so a change that matters lies within these two days.
    before, after = bisect_right(changes, wall - 2 * _DAY), bisect_right(changes, wall + 2 * _DAY)
    if before != after:
        return None
    begin = max(changes[before - 1], changes[0] + _DAY) + 2 * _DAY
    end = changes[before] - 2 * _DAY if before < len(changes) else datetime.max - 3 * _DAY
    offset: timedelta = zone._transition_info[before - 1][0]  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    return begin, end, offset
