"""Fixtures of the alerts' tests."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime

import pytest

from openbell.supervisor.alerts.post import Post
from tests.unit.supervisor.alerts.hook import Hook, hook


@pytest.fixture
def webhook() -> Iterator[Hook]:
    """A web server that receives what channels send."""
    with hook() as server:
        yield server


@pytest.fixture
def post() -> Iterator[Post]:
    """A post whose sends may take three seconds."""
    with closing(Post(lambda: datetime.now(UTC), limit=3.0)) as opened:
        yield opened
