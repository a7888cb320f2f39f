"""What is removed because it is old, whatever the clock shows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Journal, days
from openbell.ledger import KEEP_DAYS, Ledger
from openbell.runner.startup import tidy

TODAY = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    "now, kept",
    [
        (TODAY, [1, 0]),
        (TODAY + timedelta(days=KEEP_DAYS), [0]),
        (TODAY + timedelta(days=3650), [1, 0]),
        (TODAY - timedelta(days=3650), [KEEP_DAYS + 2, 1, 0]),
    ],
    ids=["today", "much later", "years ahead", "years behind"],
)
def test_a_clock_that_is_years_ahead_removes_nothing_new(tmp_path: Path, now: datetime, kept: list[int]) -> None:
    """What is old is counted from the newest day of the journal."""
    journal = Journal(tmp_path / "journal", "demo", "boot", echo=False)
    for ago in (KEEP_DAYS + 2, 1, 0):
        journal.write("note", TODAY - timedelta(days=ago))
    if now == TODAY + timedelta(days=KEEP_DAYS):
        journal.write("note", now - timedelta(days=1))
    ledger = Ledger(tmp_path / "ledger.sqlite")
    tidy(ledger, journal, now)
    ledger.close()
    found = [(TODAY.date() - day).days for day, _ in days(journal.folder) if day <= TODAY.date()]
    assert found == kept
