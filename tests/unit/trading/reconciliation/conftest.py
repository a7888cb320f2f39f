"""The desk that the tests of reconciliation share."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.trading import reconciliation
from tests.unit.trading.reconciliation.desk import TellingDesk


@pytest.fixture
def books(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Ledger, Journal]]:
    """A ledger and a journal of reconciliations whose second question to the broker comes at once."""
    monkeypatch.setattr(reconciliation, "CONFIRM_AFTER", 0.0)
    monkeypatch.setattr(reconciliation, "CONFIRM_AFTER_SHARED", 0.0)
    journal = Journal(tmp_path, "demo", "boot", echo=False)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield ledger, journal
    journal.close()


@pytest.fixture
def desk(books: tuple[Ledger, Journal]) -> TellingDesk:
    """A desk whose broker tells of splits, renames and dividends."""
    return TellingDesk(*books)
