"""alerts.sqlite, in the folder of the supervisor's store. What is committed survives kill -9 and a power cut."""

import sqlite3
from collections.abc import Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from openbell.instants import from_milliseconds, milliseconds
from openbell.supervisor.alerts.model import Flip, Incident, Member, Message
from openbell.supervisor.alerts.schema import SCHEMA, VERSION
from openbell.supervisor.alerts.settings import Channel
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.store import connection

KEEP = timedelta(days=30)  # of messages and incidents that are over
KEEP_FLIPS = 10_000

_INCIDENT = (
    "SELECT id, cause, opened_at, joined_at, told_at, said_at, updates, reminders, hold_until, note, closed_at, "
    "acknowledged_at, snoozed_until, coalesce(by, ''), coalesce(escalations, 0) "
    "FROM incidents LEFT JOIN handling ON handling.incident = incidents.id"
)
_MEMBER = "id, incident, timezone, opened_at, closed_at, ended, remedy, last, told, kind, strategy, bot, since, reason, expected, count"


def open_database(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """Return a connection for one thread; sqlite3.Error if the file cannot be opened or is a newer openbell's."""
    return connection.open_database(path, SCHEMA, VERSION, durable=True, read_only=read_only)


class AlertStore:
    """The tables as the thread of the watch uses them. Every method raises sqlite3.Error if the file does not work."""

    def __init__(self, database: sqlite3.Connection, path: Path | None = None) -> None:
        """path: of its file, by those who write to it."""
        self.database = database
        self._path = path
        self._identity = connection.identity(path) if path else None

    def close(self) -> None:
        """Close the file."""
        self.database.close()

    def check(self) -> None:
        """Read the whole file; DamagedError if it is damaged."""
        connection.check(self.database, self._path or Path("alerts"))

    def check_identity(self) -> None:
        """Raise DamagedError if the file was deleted or replaced since it was opened."""
        if self._path is not None:
            connection.check_identity(self._path, self._identity)

    def transaction(self) -> AbstractContextManager[None]:
        """Commit all that is written inside the block, or nothing if it raises."""
        return connection.transaction(self.database)

    # Marks: single numbers and instants

    def mark(self, name: str) -> int | None:
        """Return a mark, or None if it was never set."""
        row = self.database.execute("SELECT value FROM marks WHERE name = ?", (name,)).fetchone()
        return None if row is None else int(row[0])

    def put_mark(self, name: str, value: int) -> None:
        """Set a mark."""
        self.database.execute("INSERT OR REPLACE INTO marks VALUES (?, ?)", (name, value))

    def instant(self, name: str) -> datetime | None:
        """Return a mark that is an instant."""
        value = self.mark(name)
        return None if value is None else from_milliseconds(value)

    def put_instant(self, name: str, at: datetime) -> None:
        """Set a mark that is an instant."""
        self.put_mark(name, milliseconds(at))

    # Incidents and their members

    def incidents(self) -> tuple[Incident, ...]:
        """Return the incidents that are not over, oldest first, with all their members."""
        rows = self.database.execute(f"{_INCIDENT} WHERE closed_at IS NULL ORDER BY id").fetchall()
        return tuple(replace(Incident(*row), members=self._members(int(row[0]))) for row in rows)

    def incident(self, number: int) -> Incident | None:
        """Return an incident, over or not, with all its members; None if there is none of that number."""
        row = self.database.execute(f"{_INCIDENT} WHERE id = ?", (number,)).fetchone()
        return None if row is None else replace(Incident(*row), members=self._members(number))

    def data_version(self) -> int:
        """Return a number that changes when another connection has written."""
        return int(self.database.execute("PRAGMA data_version").fetchone()[0])

    def _members(self, incident: int) -> tuple[Member, ...]:
        rows = self.database.execute(f"SELECT {_MEMBER} FROM members WHERE incident = ? ORDER BY id", (incident,))
        return tuple(_member(*row) for row in rows)

    def add_incident(self, incident: Incident) -> int:
        """Store a new incident and return its id."""
        row = (
            incident.cause,
            milliseconds(incident.opened_at),
            milliseconds(incident.joined_at),
            _or_none(incident.hold_until),
            incident.note,
        )
        statement = "INSERT INTO incidents (cause, opened_at, joined_at, hold_until, note) VALUES (?, ?, ?, ?, ?)"
        return int(self.database.execute(statement, row).lastrowid or 0)

    def put_incident(self, incident: Incident) -> None:
        """Store which messages were sent about an incident."""
        row = (
            *(_or_none(incident.told_at), _or_none(incident.said_at)),
            *(incident.updates, incident.reminders, _or_none(incident.hold_until), incident.id),
        )
        self.database.execute(
            "UPDATE incidents SET told_at = ?, said_at = ?, updates = ?, reminders = ?, hold_until = ? WHERE id = ?",
            row,
        )

    def close_incident(self, incident: int, at: datetime) -> None:
        """Store that an incident is over."""
        self.database.execute("UPDATE incidents SET closed_at = ? WHERE id = ?", (milliseconds(at), incident))

    def add_member(self, member: Member) -> None:
        """Store a new member of an incident, which is the newest to join it."""
        condition = member.condition
        row = (
            *(
                member.incident,
                *condition.key,
                milliseconds(condition.since),
                condition.reason,
                condition.expected,
                condition.count,
            ),
            *(member.timezone, milliseconds(member.opened_at), _or_none(member.closed_at), member.ended, member.remedy),
            _or_none(member.last),
        )
        self.database.execute(
            "INSERT INTO members (incident, kind, strategy, bot, since, reason, expected, count, timezone, opened_at, closed_at, ended, "
            "remedy, last) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        joined = (milliseconds(member.opened_at), member.incident)
        self.database.execute("UPDATE incidents SET joined_at = ? WHERE id = ?", joined)

    def put_evidence(self, member: int, condition: Condition) -> None:
        """Store the newest evidence of an open condition."""
        row = (milliseconds(condition.since), condition.reason, condition.expected, condition.count, member)
        self.database.execute("UPDATE members SET since = ?, reason = ?, expected = ?, count = ? WHERE id = ?", row)

    def close_member(self, member: int, at: datetime, ended: str, remedy: str) -> None:
        """Store that a condition is gone."""
        row = (milliseconds(at), ended, remedy, member)
        self.database.execute("UPDATE members SET closed_at = ?, ended = ?, remedy = ? WHERE id = ?", row)

    def mark_told(self, members: Iterable[int]) -> None:
        """Store that these members have been named in a message."""
        self.database.executemany("UPDATE members SET told = 1 WHERE id = ?", [(member,) for member in members])

    def add_flip(self, flip: Flip) -> None:
        """Store a flip."""
        row = (milliseconds(flip.at), *flip.condition.key, flip.wrong, flip.condition.reason)
        self.database.execute(
            "INSERT INTO flips (at, kind, strategy, bot, wrong, reason) VALUES (?, ?, ?, ?, ?, ?)", row
        )

    # Messages

    def add_message(self, message: Message, now: datetime, channels: Sequence[str]) -> int | None:
        """Store a message and its deliveries; None if one with its key is there.

        Older messages of the incident that still wait on these channels are superseded: the new one says more.
        """
        row = (
            milliseconds(now),
            message.incident,
            message.sort,
            message.severity,
            message.title,
            message.body,
            message.key or None,
        )
        done = self.database.execute(
            "INSERT OR IGNORE INTO messages (at, incident, sort, severity, title, body, key) VALUES (?, ?, ?, ?, ?, ?, ?)",
            row,
        )
        if not done.rowcount:
            return None
        number = int(done.lastrowid or 0)
        if message.incident is not None:
            self.database.execute(
                "UPDATE deliveries SET state = 'superseded', ended_at = ? WHERE state = 'waiting' AND attempts > 0 "
                f"AND channel IN ({', '.join('?' * len(channels))}) AND message IN (SELECT id FROM messages WHERE incident = ?)",
                (milliseconds(now), *channels, message.incident),
            )
        self.add_deliveries(number, channels, now)
        return number

    def add_deliveries(self, message: int, channels: Iterable[str], now: datetime) -> None:
        """Send a message to these channels too."""
        rows = [(message, channel, milliseconds(now)) for channel in channels]
        self.database.executemany(
            "INSERT OR IGNORE INTO deliveries (message, channel, state, attempts, next_at) VALUES (?, ?, 'waiting', 0, ?)",
            rows,
        )

    def prune(self, now: datetime) -> None:
        """Remove old messages, incidents and flips."""
        cut = (milliseconds(now - KEEP),)
        self.database.execute("DELETE FROM incidents WHERE closed_at < ?", cut)
        for table in ("members", "handling"):
            self.database.execute(f"DELETE FROM {table} WHERE incident NOT IN (SELECT id FROM incidents)")
        self.database.execute(
            "DELETE FROM messages WHERE at < ? AND id NOT IN (SELECT message FROM deliveries WHERE state = 'waiting')",
            cut,
        )
        self.database.execute("DELETE FROM deliveries WHERE message NOT IN (SELECT id FROM messages)")
        self.database.execute("DELETE FROM flips WHERE id <= (SELECT max(id) FROM flips) - ?", (KEEP_FLIPS,))

    def set_back(self, now: datetime, hold_until: datetime) -> None:
        """Replace instants of the future, on which something would wait, after the clock was set back.

        hold_until: the latest instant until which an incident may be held.
        """
        at = milliseconds(now)
        for column in ("opened_at", "joined_at", "told_at", "said_at"):
            self.database.execute(
                f"UPDATE incidents SET {column} = ? WHERE {column} > ? AND closed_at IS NULL", (at, at)
            )
        hold = milliseconds(hold_until)
        self.database.execute("UPDATE incidents SET hold_until = ? WHERE hold_until > ?", (hold, hold))
        self.database.execute("UPDATE deliveries SET next_at = ? WHERE next_at > ? AND state = 'waiting'", (at, at))
        self.database.execute("UPDATE channels SET failing_since = ? WHERE failing_since > ?", (at, at))
        self.database.execute(
            "UPDATE marks SET value = ? WHERE value > ? AND (name = 'seen_at' OR name LIKE 'digest %')", (at, at)
        )

    # Channels

    def set_channels(self, channels: Sequence[Channel], now: datetime) -> None:
        """Store the configured channels; messages that wait for others are given up."""
        names = [channel.name for channel in channels]
        listed = ", ".join("?" * len(names))
        self.database.execute(f"DELETE FROM channels WHERE name NOT IN ({listed})", names)
        self.database.execute(
            "UPDATE deliveries SET state = 'given_up', ended_at = ?, error = 'the channel is no longer set' "
            f"WHERE state = 'waiting' AND channel NOT IN ({listed})",
            (milliseconds(now), *names),
        )
        self.database.executemany(
            "INSERT INTO channels (name, place, scheme, fallback) VALUES (?, ?, ?, ?) "
            "ON CONFLICT (name) DO UPDATE SET place = excluded.place, scheme = excluded.scheme, fallback = excluded.fallback",
            [(channel.name, place, channel.scheme, channel.fallback) for place, channel in enumerate(channels)],
        )

    def failing(self) -> dict[str, tuple[int, datetime]]:
        """Return the channels that fail: how often in a row, and since when."""
        rows = self.database.execute(
            "SELECT name, failures, failing_since FROM channels WHERE failing_since IS NOT NULL"
        )
        return {name: (failures, since) for name, failures, since in rows}


def _member(
    number: int,
    incident: int,
    timezone: str,
    opened_at: datetime,
    closed_at: datetime | None,
    ended: str,
    remedy: str,
    last: datetime | None,
    told: bool,  # noqa: FBT001 - a column
    *condition: object,
) -> Member:
    kind, strategy, bot, since, reason, expected, count = condition
    wrong = Condition(kind, strategy, bot, since, reason, expected, count)  # type: ignore[arg-type]
    return Member(number, incident, wrong, timezone, opened_at, closed_at, ended, remedy, last, told)


def _or_none(at: datetime | None) -> int | None:
    return None if at is None else milliseconds(at)
