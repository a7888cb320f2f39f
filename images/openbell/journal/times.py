"""Instants as the journal and the small files beside it have them."""

from datetime import UTC, datetime


def stamp(at: datetime) -> str:
    """Return an aware instant in the journal's form: UTC, ISO 8601, milliseconds."""
    utc = at if at.tzinfo is UTC else at.astimezone(UTC)
    return utc.isoformat(timespec="milliseconds")[:-6] + "Z"


def instant(text: object) -> datetime | None:
    """Return the instant that a journal's text stands for, aware UTC, or None if it stands for none."""
    if not isinstance(text, str):
        return None
    try:
        at = datetime.fromisoformat(text)
        return at.astimezone(UTC) if at.tzinfo else None
    except (ValueError, OverflowError):  # no instant, or one whose year in UTC is 0 or 10000
        return None
