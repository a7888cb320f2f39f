"""Fixtures of the tests that start a supervisor: those of its unit tests."""

from tests.unit.supervisor.alerts.conftest import webhook
from tests.unit.supervisor.conftest import world

__all__ = ["webhook", "world"]
