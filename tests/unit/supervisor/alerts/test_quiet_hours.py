"""Quiet hours and daily instants in zones that change their clocks."""

from datetime import UTC, datetime, time, timedelta

import pytest

from openbell.supervisor.alerts.quiet_hours import DailyTime, QuietHours

NIGHT = QuietHours(time(22), time(7), "Europe/Berlin")
NOON = QuietHours(time(12), time(13, 30), "Asia/Tokyo")
WEEKDAYS = DailyTime("morning", time(8, 30), "America/New_York", frozenset(range(5)))


def at(text: str) -> datetime:
    """Return an instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    "quiet,now,covered",
    [
        (NIGHT, "2026-11-23 20:59:59", False),
        (NIGHT, "2026-11-23 21:00:00", True),
        (NIGHT, "2026-11-24 05:59:59", True),
        (NIGHT, "2026-11-24 06:00:00", False),
        (NIGHT, "2026-07-01 20:00:00", True),
        (NOON, "2026-07-01 03:00:00", True),
        (NOON, "2026-07-01 04:30:00", False),
        (NOON, "2026-07-01 12:00:00", False),
    ],
)
def test_quiet_hours_are_those_of_their_zone(quiet: QuietHours, now: str, *, covered: bool) -> None:
    """They span midnight where they do, and follow the zone's clock changes."""
    assert quiet.covers(at(now)) is covered


def test_quiet_hours_end_every_day_of_a_year() -> None:
    """Their end is the first instant that they do not cover, clock changes included."""
    now = at("2026-01-01 22:30:00")
    for _ in range(365):
        end = NIGHT.end_after(now)
        assert not NIGHT.covers(end)
        assert NIGHT.covers(end - timedelta(milliseconds=1))
        now += timedelta(days=1)


@pytest.mark.parametrize(
    "now,newest,following",
    [
        ("2026-11-23 13:29:59", "2026-11-20 13:30:00", "2026-11-23 13:30:00"),
        ("2026-11-23 13:30:00", "2026-11-23 13:30:00", "2026-11-24 13:30:00"),
        ("2026-11-22 12:00:00", "2026-11-20 13:30:00", "2026-11-23 13:30:00"),
        ("2026-03-07 12:00:00", "2026-03-06 13:30:00", "2026-03-09 12:30:00"),
    ],
)
def test_a_daily_instant_is_found_from_both_sides(now: str, newest: str, following: str) -> None:
    """Weekends are passed over, and the wall clock counts, not UTC."""
    assert WEEKDAYS.newest(at(now)) == at(newest)
    assert WEEKDAYS.next(at(now)) == at(following)
