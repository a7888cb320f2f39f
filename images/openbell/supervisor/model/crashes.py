"""Crash loops: how many starts after a crash, within which time, are too many. Pure."""

from collections.abc import Iterable
from datetime import datetime, timedelta

from openbell.supervisor.model.records import ServiceEvent

CRASH_WINDOW = timedelta(minutes=5)
CRASHES = 3  # unclean starts within the window that make a crash loop


def crashes(events: Iterable[ServiceEvent]) -> list[datetime]:
    """Return when loops were started after a crash, newest first."""
    return sorted((event.at for event in events if event.event == "service_start" and event.unclean), reverse=True)
