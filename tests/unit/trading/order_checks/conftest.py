"""The desk that the tests of the order checks share."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openbell.ledger import Ledger
from tests.unit.trading.order_checks.desk import Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A new desk."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger)
