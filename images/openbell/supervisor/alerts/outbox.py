"""The outbox: the deliveries of one channel in alerts.sqlite."""

from collections.abc import Iterable
from datetime import datetime
from pathlib import Path

from openbell.instants import milliseconds
from openbell.supervisor.alerts.model import Delivery, Message
from openbell.supervisor.alerts.store import open_database
from openbell.supervisor.store.connection import transaction


class Outbox:
    """Reads and marks the deliveries of one channel, on a connection of its own."""

    def __init__(self, path: Path, channel: str) -> None:
        self._database = open_database(path)
        self._channel = channel

    def close(self) -> None:
        """Close the file."""
        self._database.close()

    def next(self) -> tuple[datetime, Delivery] | None:
        """Return the delivery that is due first, and when; None if nothing waits."""
        row = self._database.execute(
            "SELECT d.next_at, d.id, d.attempts, m.at, m.sort, m.severity, m.title, m.body, m.incident, "
            "EXISTS (SELECT 1 FROM incidents i WHERE i.id = m.incident AND i.closed_at IS NULL) "
            "FROM deliveries d JOIN messages m ON m.id = d.message WHERE d.channel = ? AND d.state = 'waiting' "
            "ORDER BY d.next_at, d.id LIMIT 1",
            (self._channel,),
        ).fetchone()
        if row is None:
            return None
        next_at, number, attempts, stored_at, sort, severity, title, body, incident, is_open = row
        message = Message(sort, severity, title, body, incident)
        return next_at, Delivery(number, message, self._channel, stored_at, attempts, bool(is_open))

    def sent(self, delivery: Delivery, handed_at: datetime, now: datetime) -> None:
        """Mark a delivery as done."""
        with transaction(self._database):
            self._database.execute(
                "UPDATE deliveries SET state = 'sent', attempts = attempts + 1, handed_at = ?, ended_at = ?, error = '' WHERE id = ?",
                (milliseconds(handed_at), milliseconds(now), delivery.id),
            )
            self._database.execute(
                "UPDATE channels SET last_sent_at = ?, failing_since = NULL, failures = 0, error = '', sent = sent + 1 WHERE name = ?",
                (milliseconds(now), self._channel),
            )

    def told_elsewhere(self, delivery: Delivery, now: datetime) -> None:
        """Mark a delivery as one that the supervisor of another host has sent."""
        with transaction(self._database):
            self._database.execute(
                "UPDATE deliveries SET state = 'superseded', ended_at = ? WHERE id = ? AND state = 'waiting'",
                (milliseconds(now), delivery.id),
            )

    def failing(self) -> tuple[int, datetime | None]:
        """Return how often in a row the channel has failed, and since when."""
        row = self._database.execute(
            "SELECT failures, failing_since FROM channels WHERE name = ?", (self._channel,)
        ).fetchone()
        return (0, None) if row is None else row

    def failed(
        self, delivery: Delivery, error: str, now: datetime, next_at: datetime | None, fallbacks: Iterable[str]
    ) -> None:
        """Store a failure: the delivery waits until `next_at`, or is given up; the fallbacks get the message too."""
        with transaction(self._database):
            self._database.execute(
                "UPDATE deliveries SET attempts = attempts + 1, error = ?, next_at = ?, state = iif(state = 'superseded', state, ?), "
                "ended_at = ? WHERE id = ?",
                (
                    error,
                    milliseconds(next_at or now),
                    "waiting" if next_at else "given_up",
                    None if next_at else milliseconds(now),
                    delivery.id,
                ),
            )
            self._database.execute(
                "UPDATE channels SET last_failed_at = ?, failing_since = coalesce(failing_since, ?), error = ?, failures = failures + 1, "
                "failed = failed + 1 WHERE name = ?",
                (milliseconds(now), milliseconds(now), error, self._channel),
            )
            self._database.executemany(
                "INSERT OR IGNORE INTO deliveries (message, channel, state, attempts, next_at) "
                "SELECT message, ?, 'waiting', 0, ? FROM deliveries WHERE id = ?",
                [(fallback, milliseconds(now), delivery.id) for fallback in fallbacks],
            )
