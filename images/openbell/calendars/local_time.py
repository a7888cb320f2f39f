"""Local time: the instant that a wall clock stands for, also in the hours that a clock change skips or repeats."""

from bisect import bisect_right
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

import pytz

_DAY = timedelta(days=1)


# Bots that are due together ask for the same few instants.
@lru_cache(maxsize=256)
def local_instant(wall: datetime, timezone: str) -> datetime:
    """Return the first UTC instant at which the zone's wall clock shows `wall` (naive) or has just passed it."""
    zone = pytz.timezone(timezone)
    offset = _settled_offset(zone, wall)
    if offset is not None:
        return (wall - offset).replace(tzinfo=UTC)
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


def _settled_offset(zone: tzinfo, wall: datetime) -> timedelta | None:
    """Return the zone's offset where its clock does not change within a day of `wall`; else None.

    pytz tries every offset of a zone in turn, which is most of what a year of slots costs. Its table of changes says at
    once that there is none nearby; where a zone has no such table, pytz is asked.
    """
    changes: list[datetime] | None = getattr(zone, "_utc_transition_times", None)
    # A clock is at most a day ahead of UTC or behind it, so a change that matters lies within these two days. The table's
    # first entry stands for the beginning of time.
    if not changes or not changes[0] + 3 * _DAY < wall < datetime.max - 3 * _DAY:
        return None
    before, after = bisect_right(changes, wall - 2 * _DAY), bisect_right(changes, wall + 2 * _DAY)
    if before != after:
        return None
    offset: timedelta = zone._transition_info[before - 1][0]  # type: ignore[attr-defined]  # noqa: SLF001 - see above
    return offset
