"""The records and the engine of a transaction in memory."""

from pathlib import Path

import pytest

from tests.unit.deploy.remote.engine import FakeEngine
from tests.unit.deploy.remote.transactions import engine_with_both, records_below


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project's records with two releases, of which the first runs."""
    return records_below(tmp_path)


@pytest.fixture
def engine() -> FakeEngine:
    """An engine that runs the first release and has the images of both."""
    return engine_with_both()
