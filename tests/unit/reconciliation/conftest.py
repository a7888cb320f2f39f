"""The desk that the tests of reconciliation share."""

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openbell.journal import Journal
from openbell.ledger import Ledger
from openbell.trading import reconciliation
from tests.unit.reconciliation.desk import Desk


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    """A desk whose second look comes at once."""
    monkeypatch.setattr(reconciliation, "CONFIRM_AFTER", 0.0)
    monkeypatch.setattr(reconciliation, "CONFIRM_AFTER_SHARED", 0.0)
    journal = Journal(tmp_path, "demo", "boot", echo=False)
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger, journal)
    if journal._file >= 0:
        os.close(journal._file)
