"""What people have answered to an incident: acknowledged, or snoozed until an instant. Stored beside it."""

import sqlite3
from contextlib import closing
from datetime import datetime
from pathlib import Path

from openbell.instants import milliseconds
from openbell.supervisor.alerts.store import open_database
from openbell.supervisor.store.connection import transaction


def answer(file: Path, incident: int, now: datetime, by: str, until: datetime | None = None) -> bool:
    """Store that a person has acknowledged an incident, or wants no message about it before `until`.

    Return False, and store nothing, if it is over or there is none of that number. sqlite3.Error if that fails.
    """
    with closing(open_database(file)) as database, transaction(database):
        is_open = "SELECT 1 FROM incidents WHERE id = ? AND closed_at IS NULL"
        if database.execute(is_open, (incident,)).fetchone() is None:
            return False
        snoozed = None if until is None else milliseconds(until)
        database.execute(
            "INSERT INTO handling (incident, acknowledged_at, snoozed_until, by) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (incident) DO UPDATE SET acknowledged_at = excluded.acknowledged_at, "
            "snoozed_until = excluded.snoozed_until, by = excluded.by",
            (incident, milliseconds(now), snoozed, by),
        )
    return True


def put_escalations(database: sqlite3.Connection, incident: int, count: int) -> None:
    """Store how many more channels were told of an incident."""
    database.execute(
        "INSERT INTO handling (incident, escalations) VALUES (?, ?) "
        "ON CONFLICT (incident) DO UPDATE SET escalations = excluded.escalations",
        (incident, count),
    )


def set_back(database: sqlite3.Connection, now: datetime) -> None:
    """Let a snooze that began in a future, after which the clock was set back, be over."""
    at = milliseconds(now)
    database.execute(
        "UPDATE handling SET snoozed_until = ?, acknowledged_at = ? WHERE acknowledged_at > ? AND snoozed_until IS NOT NULL",
        (at, at, at),
    )
