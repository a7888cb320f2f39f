"""A PostgreSQL for the tests of several hosts."""

from collections.abc import Iterator

import pytest

from openbell.postgres.database import Database
from openbell.postgres.tables import SHARED, SHARED_SCHEMA
from tests.serverless.conftest import server, url

__all__ = ["server", "url"]


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    """A database with the tables that hosts share."""
    one = Database(url, SHARED_SCHEMA)
    one.make(SHARED)
    yield one
    one.close()
