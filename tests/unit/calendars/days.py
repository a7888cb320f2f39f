"""Instants and exchanges for the tests of calendars."""

from datetime import UTC, datetime, timedelta

EXCHANGES = ("XLON", "XNYS", "XTKS")
DAY = timedelta(days=1)


def utc(text: str) -> datetime:
    """Return "2024-07-03 17:00" as an aware instant in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)
