"""Fixtures of the alerts' tests."""

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from openbell.supervisor.alerts.sender_client import SenderClient
from tests.unit.supervisor.alerts.scenes import Room, room
from tests.unit.supervisor.alerts.webhook import Hook, hook


@pytest.fixture
def webhook() -> Iterator[Hook]:
    """A web server that receives what channels send."""
    with hook() as server:
        yield server


@pytest.fixture
def post() -> Iterator[SenderClient]:
    """A client whose sends may take ten seconds, which is enough for a sender to start on a loaded machine."""
    with closing(SenderClient(lambda: datetime.now(UTC), limit=10.0)) as opened:
        yield opened


@pytest.fixture
def here(tmp_path: Path) -> Iterator[Room]:
    """The alerts of a watch that has seen that all is well."""
    with room(tmp_path) as opened:
        opened.see()
        yield opened
