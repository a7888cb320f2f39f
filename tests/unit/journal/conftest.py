"""A journal in a folder of its own, and what is in it."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from openbell import journal as journals
from openbell.journal import Journal, since

NOW = datetime(2026, 3, 2, 9, 5, 0, 123_456, UTC)
DAY = timedelta(days=1)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    """A journal of the strategy demo."""
    one = Journal(tmp_path, "demo", "boot1", echo=False)
    yield one
    one.close()


def events(journal: Journal) -> list[journals.Event]:
    """Return all events of the journal."""
    return list(since(journal.folder, date(2000, 1, 1)))


def texts(journal: Journal) -> list[object]:
    """Return the texts of all events."""
    return [event["text"] for event in events(journal)]


def file_of(journal: Journal, day: datetime = NOW) -> Path:
    """Return the file of a day."""
    return journal.folder / f"{day:%Y-%m-%d}.jsonl"
