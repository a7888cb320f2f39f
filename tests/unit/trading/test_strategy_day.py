"""The day that daily limits count in, where clocks change at midnight."""

from datetime import datetime

import pytest

from openbell.trading.strategy_day import beginning


@pytest.mark.parametrize("zone, now, began", [
    ("America/New_York", "2026-11-20T15:00+00:00", "2026-11-20T05:00+00:00"),
    ("UTC", "2026-11-20T00:00+00:00", "2026-11-20T00:00+00:00"),
    # Azores: at 01:00 the clock goes back to 00:00, and the day has two midnights: it began at the first (T31).
    ("Atlantic/Azores", "2026-10-25T00:30+00:00", "2026-10-25T00:00+00:00"),
    ("Atlantic/Azores", "2026-10-25T01:30+00:00", "2026-10-25T00:00+00:00"),
    # Beirut: at 00:00 the clock goes back to 23:00 of the day before, which is still that day.
    ("Asia/Beirut", "2026-10-24T21:30+00:00", "2026-10-23T21:00+00:00"),
    ("Asia/Beirut", "2026-10-24T22:30+00:00", "2026-10-24T22:00+00:00"),
    # Beirut in spring has no midnight: the day begins at 01:00.
    ("Asia/Beirut", "2026-03-29T09:00+00:00", "2026-03-28T22:00+00:00"),
    # Samoa has no 30th of December 2011; the day after begins as any other.
    ("Pacific/Apia", "2011-12-31T09:00+00:00", "2011-12-30T10:00+00:00"),
])  # fmt: skip
def test_a_day_begins_at_its_first_instant(zone: str, now: str, began: str) -> None:
    """No order of today is forgotten in the hour that comes twice."""
    assert beginning(datetime.fromisoformat(now), zone) == datetime.fromisoformat(began)
