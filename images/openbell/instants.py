"""Instants as numbers: whole milliseconds since 1970 in UTC, which is as exact as the journal."""

from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MILLISECOND = timedelta(milliseconds=1)


def milliseconds(at: datetime) -> int:
    """Return the milliseconds from 1970 to an instant, rounded down."""
    return (at - EPOCH) // MILLISECOND


def from_milliseconds(number: int) -> datetime:
    """Return the instant that lies so many milliseconds after 1970."""
    return EPOCH + number * MILLISECOND
