"""The alerts as the page, the API and the metrics show them, read from alerts.sqlite in one transaction."""

import sqlite3
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import NamedTuple

from openbell.supervisor.alerts.grouping import CANARY
from openbell.supervisor.alerts.messages import headline
from openbell.supervisor.alerts.model import Incident
from openbell.supervisor.alerts.store import AlertStore, open_database

RECENT = 50  # messages


@dataclass(frozen=True)
class MemberView:
    """A condition that is stored open."""

    kind: str
    strategy: str
    bot: str
    since: datetime
    reason: str
    count: int


@dataclass(frozen=True)
class IncidentView:
    """An incident. told_at: None before its first message. handled_by: who has acknowledged or snoozed it."""

    id: int
    cause: str
    title: str
    critical: bool
    opened_at: datetime
    told_at: datetime | None
    reminders: int
    escalations: int
    acknowledged_at: datetime | None
    snoozed_until: datetime | None
    handled_by: str
    closed_at: datetime | None
    members: tuple[MemberView, ...]

    def needs_answer(self, now: datetime) -> bool:
        """Tell whether it is open and no person has answered it, or a snooze of it is over."""
        if self.closed_at is not None:
            return False
        return self.acknowledged_at is None or (self.snoozed_until is not None and self.snoozed_until <= now)


@dataclass(frozen=True)
class ChannelView:
    """A channel. waiting: how many messages wait for it; failures: in a row; sent, failed: since the file was made."""

    name: str
    scheme: str
    fallback: bool
    waiting: int
    last_sent_at: datetime | None
    last_failed_at: datetime | None
    error: str
    failures: int
    sent: int
    failed: int


class DeliveryView(NamedTuple):
    """What became of a message at a channel. state: waiting, sent, superseded or given_up."""

    channel: str
    state: str
    attempts: int
    error: str


@dataclass(frozen=True)
class MessageView:
    """A message."""

    id: int
    at: datetime
    sort: str
    severity: str
    title: str
    body: str
    deliveries: tuple[DeliveryView, ...]


@dataclass(frozen=True)
class IncidentDetail:
    """An incident, over or not, with the messages about it, newest first."""

    incident: IncidentView
    messages: tuple[MessageView, ...]


@dataclass(frozen=True)
class DeadmanView:
    """The dead-man ping. clock_skew_s: seconds that our clock is ahead of the other side's."""

    last_pinged_at: datetime | None
    last_failed_at: datetime | None
    error: str
    clock_skew_s: float | None


@dataclass(frozen=True)
class AlertsState:
    """All of it. `deadman` is None if there never was a ping."""

    incidents: tuple[IncidentView, ...]
    channels: tuple[ChannelView, ...]
    recent: tuple[MessageView, ...]
    deadman: DeadmanView | None


EMPTY = AlertsState((), (), (), None)


def read(file: Path) -> AlertsState | None:
    """Return the state, or None if there is no file yet; sqlite3.Error if it cannot be read."""
    if not file.is_file():
        return None
    with closing(open_database(file, read_only=True)) as database:
        database.execute("BEGIN")  # one moment for all that follows
        (version,) = database.execute("PRAGMA user_version").fetchone()
        if not version:
            return None
        incidents = AlertStore(database).incidents()
        row = database.execute("SELECT last_pinged_at, last_failed_at, error, clock_skew_s FROM deadman").fetchone()
        return AlertsState(
            tuple(_incident(incident) for incident in incidents if incident.cause != CANARY and incident.members),
            _channels(database),
            _messages(database),
            DeadmanView(*row) if row else None,
        )


def read_incident(file: Path, number: int) -> IncidentDetail | None:
    """Return an incident, None if there is none of that number; sqlite3.Error if it cannot be read."""
    if not file.is_file():
        return None
    with closing(open_database(file, read_only=True)) as database:
        database.execute("BEGIN")
        if not database.execute("PRAGMA user_version").fetchone()[0]:
            return None
        found = AlertStore(database).incident(number)
        if found is None or not found.members:
            return None
        return IncidentDetail(_incident(found), _messages(database, number))


def _incident(incident: Incident) -> IncidentView:
    still = [member for member in incident.members if member.closed_at is None]
    about = still or incident.members
    views = [
        MemberView(*member.condition.key, member.condition.since, member.condition.reason, member.condition.count)
        for member in about
    ]
    critical = any(member.critical for member in about)
    return IncidentView(
        incident.id,
        incident.cause,
        headline(about),
        critical,
        incident.opened_at,
        incident.told_at,
        incident.reminders,
        incident.escalations,
        incident.acknowledged_at,
        incident.snoozed_until,
        incident.handled_by,
        incident.closed_at,
        tuple(views),
    )


def _channels(database: sqlite3.Connection) -> tuple[ChannelView, ...]:
    rows = database.execute(
        "SELECT name, scheme, fallback, (SELECT count(*) FROM deliveries WHERE channel = name AND state = 'waiting'), "
        "last_sent_at, last_failed_at, error, failures, sent, failed FROM channels ORDER BY place"
    )
    return tuple(ChannelView(*row) for row in rows)


def _messages(database: sqlite3.Connection, incident: int | None = None) -> tuple[MessageView, ...]:
    rows = database.execute(
        "SELECT id, at, sort, severity, title, body FROM messages WHERE ?1 IS NULL OR incident = ?1 ORDER BY id DESC LIMIT ?2",
        (incident, RECENT),
    )
    return tuple(
        MessageView(number, at, sort, severity, title, body, _deliveries(database, number))
        for number, at, sort, severity, title, body in rows.fetchall()
    )


def _deliveries(database: sqlite3.Connection, message: int) -> tuple[DeliveryView, ...]:
    rows = database.execute(
        "SELECT channel, state, attempts, error FROM deliveries WHERE message = ? ORDER BY id", (message,)
    )
    return tuple(DeliveryView(*row) for row in rows)
