"""The day that daily limits count in: that of the strategy's timezone, also where its midnight comes twice or not at all."""

from datetime import UTC, datetime, time

import pytz


def beginning(now: datetime, timezone: str) -> datetime:
    """Return the instant, aware UTC, at which the day of `now` began: the first of two midnights."""
    zone = pytz.timezone(timezone)
    day = now.astimezone(zone).date()
    midnight = datetime.combine(day, time())
    told = (zone.localize(midnight, is_dst=is_dst).astimezone(UTC) for is_dst in (True, False))
    # Where clocks go back at midnight, one of the two still belongs to the day before.
    return min(instant for instant in told if instant.astimezone(zone).date() >= day)
