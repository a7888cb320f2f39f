"""The messages of incidents: which are due, what they say, who gets them, and what people answered to them.

All are stored before they are sent.
"""

import sqlite3
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import structlog

from openbell.instants import milliseconds
from openbell.supervisor.alerts import grouping, messages
from openbell.supervisor.alerts.links import LINE
from openbell.supervisor.alerts.model import Incident, Message
from openbell.supervisor.alerts.policy import decide
from openbell.supervisor.alerts.settings import AlertSettings
from openbell.supervisor.alerts.store import AlertStore, open_database
from openbell.supervisor.store.connection import transaction

log = structlog.get_logger()
Link = Callable[[int, datetime], str]


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
    """Store how many more channels were informed of an incident."""
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


class IncidentMessages:
    """Stores the messages that the policy asks for. link: to an incident; empty if there is none."""

    def __init__(self, store: AlertStore, settings: AlertSettings, link: Link) -> None:
        self._store = store
        self._settings = settings
        self._link = link

    def store_due(self, incidents: Sequence[Incident], trouble: str, now: datetime) -> float | None:
        """Store the messages that are due; return the seconds until the next, none if something was stored, which may bring more.

        trouble: what is wrong now, whether or not it is worth an alert yet.
        """
        waits: list[float] = []
        for incident in incidents:
            decision = decide(incident, self._settings, now)
            if decision.sort or decision.over:
                with self._store.transaction():
                    self._apply(incident, decision.sort, now, trouble, over=decision.over)
                waits.append(0.0)
            elif decision.until is not None:
                waits.append((decision.until - now).total_seconds())
        return min(waits, default=None)

    def store(self, message: Message, now: datetime) -> bool:
        """Store a message without an incident; return whether it is new."""
        with self._store.transaction():
            return self._add(message, now, self._first_channels())

    def _apply(self, incident: Incident, sort: str, now: datetime, trouble: str, *, over: bool) -> None:
        if sort == "escalation":
            step = self._settings.escalations[incident.escalations]
            self._add(self._message(incident, sort, now), now, [step.channel])
            put_escalations(self._store.database, incident.id, incident.escalations + 1)
            self._store.mark_told(member.id for member in incident.members)
        elif sort:
            elsewhere = self._elsewhere(incident, trouble) if sort == "summary" else ""
            reached = [one.channel for one in self._settings.escalations[: incident.escalations]]
            self._add(self._message(incident, sort, now, elsewhere), now, [*self._first_channels(), *reached])
            updated = replace(
                incident,
                told_at=incident.told_at or now,
                said_at=now,
                updates=incident.updates + (sort == "update"),
                reminders=incident.reminders + (sort == "reminder"),
            )
            self._store.put_incident(updated)
            self._store.mark_told(member.id for member in incident.members)
        if over:
            self._store.close_incident(incident.id, now)
            log.info("incident.closed", incident=incident.id, cause=incident.cause)

    def _message(self, incident: Incident, sort: str, now: datetime, elsewhere: str = "") -> Message:
        written = messages.message(incident, sort, now, elsewhere)
        try:
            link = self._link(incident.id, now) if incident.members and sort != "canary" else ""
        except OSError as error:
            log.error("link.failed", error=str(error))  # noqa: TRY400 - the disk: the message goes out without it
            link = ""
        return replace(written, body=f"{written.body}\n{LINE}{link}") if link else written

    def _elsewhere(self, incident: Incident, trouble: str) -> str:
        """Return what else is wrong or unknown apart from an incident: a summary must not say that all is well."""
        others = [
            member
            for other in self._store.incidents()
            if other.id != incident.id and other.cause != grouping.CANARY
            for member in other.members
            if member.closed_at is None
        ]
        if others:
            return f"Still wrong, as reported before: {messages.headline(others)}"
        return trouble

    def _first_channels(self) -> list[str]:
        """Return the channels that hear of everything: not those for what no person answers, nor the fallbacks."""
        later = {one.channel for one in self._settings.escalations}
        return [one.name for one in self._settings.channels if not one.fallback and one.name not in later]

    def _add(self, message: Message, now: datetime, channels: Sequence[str]) -> bool:
        failing = self._store.failing()
        settings = self._settings
        fallbacks = [one.name for one in settings.channels if one.fallback and one.name not in channels]
        dead = any(
            name in failing
            and (failing[name][0] >= settings.fallback_failures or now - failing[name][1] >= settings.fallback_time)
            for name in channels
        )
        number = self._store.add_message(message, now, [*channels, *(fallbacks if dead else ())])
        if number is not None:
            log.info(
                "message.stored", message=number, sort=message.sort, incident=message.incident, title=message.title
            )
        return number is not None
