"""What is removed because it is old, whatever the clock shows."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from openbell.journal import Journal, days
from openbell.ledger import KEEP_DAYS, Claim, Ledger
from openbell.runner.startup import tidy

TODAY = datetime(2026, 11, 26, 12, 0, tzinfo=UTC)
DAY = timedelta(days=1)
AGES = (KEEP_DAYS + 2, *range(KEEP_DAYS - 1, -1, -1))  # days with a journal file and a claim


@pytest.mark.parametrize(
    "now, kept",
    [
        ([TODAY], AGES[1:]),
        ([TODAY + 3650 * DAY, TODAY + 3651 * DAY], AGES[3:]),
        ([TODAY - 3650 * DAY], AGES),
    ],
    ids=["today", "years ahead for two days", "years behind"],
)
def test_a_wrong_clock_removes_nothing_new(tmp_path: Path, now: list[datetime], kept: tuple[int, ...]) -> None:
    """As many days stay as are kept, whatever day the clock shows; the journal and the claims go together."""
    journal, ledger = Journal(tmp_path / "journal", "demo", "boot", echo=False), Ledger(tmp_path / "ledger.sqlite")
    for ago in AGES:
        slot = TODAY - ago * DAY
        journal.write("note", slot)
        claim = Claim("b", slot, f"run-{ago}", 1, "loop", slot)
        ledger.claim([claim])
        ledger.finish([(claim, "succeeded")])
    for at in now:
        journal.write("service_start", at)
        tidy(ledger, journal, at)
    found = [(TODAY.date() - day).days for day, _ in days(journal.folder)]
    assert [age for age in found if 0 <= age <= AGES[0]] == list(kept)
    assert [age for age in AGES if ledger.outcome_of("b", TODAY - age * DAY)] == list(kept)
    ledger.close()
