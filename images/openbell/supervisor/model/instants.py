"""Instants as the store keeps them: whole milliseconds since 1970 in UTC, as exact as the journal's."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
TICK = timedelta(milliseconds=1)


def milliseconds(at: datetime) -> int:
    """Return the stored form of an instant."""
    return (at - EPOCH) // TICK


def from_milliseconds(number: int) -> datetime:
    """Return the instant that a stored number stands for."""
    return EPOCH + number * TICK
