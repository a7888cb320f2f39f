"""The trace of a canary through alerts.sqlite."""

import sqlite3
from dataclasses import dataclass
from datetime import datetime

from openbell.instants import from_milliseconds, milliseconds
from openbell.supervisor.alerts.grouping import CANARY_STRATEGY


@dataclass(frozen=True)
class CanaryTrace:
    """How far a canary has come. handed_at: to the first channel; sent_at: accepted by all. channels: name, state, error."""

    flip_at: datetime | None = None
    message_at: datetime | None = None
    handed_at: datetime | None = None
    sent_at: datetime | None = None
    channels: tuple[tuple[str, str, str], ...] = ()


def trace(database: sqlite3.Connection, since: datetime) -> CanaryTrace:
    """Return how far the newest canary that was asked for at `since` has come."""
    (flip,) = database.execute(
        "SELECT min(at) FROM flips WHERE strategy = ? AND wrong AND at >= ?", (CANARY_STRATEGY, milliseconds(since))
    ).fetchone()
    row = database.execute(
        "SELECT id, at FROM messages WHERE sort = 'canary' AND at >= ? ORDER BY id LIMIT 1", (milliseconds(since),)
    ).fetchone()
    if row is None:
        return CanaryTrace(_instant(flip))
    number, at = row
    deliveries = database.execute(
        "SELECT channel, state, error, handed_at, ended_at FROM deliveries WHERE message = ? ORDER BY id", (number,)
    ).fetchall()
    handed = [handed_at for *_, handed_at, _ in deliveries if handed_at is not None]
    ended = [ended_at for _, state, _, _, ended_at in deliveries if state == "sent"]
    return CanaryTrace(
        _instant(flip),
        _instant(at),
        _instant(min(handed, default=None)),
        _instant(max(ended)) if deliveries and len(ended) == len(deliveries) else None,
        tuple((channel, state, error) for channel, state, error, _, _ in deliveries),
    )


def _instant(value: int | None) -> datetime | None:
    return None if value is None else from_milliseconds(value)
