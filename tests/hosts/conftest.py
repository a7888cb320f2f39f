"""A PostgreSQL for the tests of several hosts."""

from tests.serverless.conftest import server, url

__all__ = ["server", "url"]
