"""The desk that the tests of the order path share."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from openbell.ledger import Ledger
from tests.unit.trading.order_path.desk import ABroker, Desk


@pytest.fixture
def desk(tmp_path: Path) -> Iterator[Desk]:
    """A desk without any order."""
    with closing(Ledger(tmp_path / "ledger.sqlite")) as ledger:
        yield Desk(ledger, ABroker())
