"""Whether a database still has all that it has confirmed.

A standby that is promoted, or a backup that is restored, begins a new timeline, and may not have the newest commits of the
old one. A database whose log is shorter than it was, or whose tables are others, has lost some too. What a process knows
from before counts for nothing then: each write of an owner checks the timeline in its own transaction, and a loop that
finds another one compares its account with the broker before any order.
"""

from pathlib import Path
from typing import NamedTuple

from openbell import foreign_files
from openbell.postgres.connection import PostgresError
from openbell.postgres.database import TIMELINE, Database

_NOW = f"SELECT {TIMELINE}, pg_current_wal_lsn() - '0/0', 'openbell.owners'::regclass::oid::bigint"
_FILE = "history"


class History(NamedTuple):
    """What tells one history of a database from another."""

    timeline: str  # empty where a server does not tell it, which shares its storage with its standbys
    position: float  # bytes of log that were ever written
    tables: int

    def has_lost(self, before: "History") -> bool:
        """Tell whether commits may be missing that were there before."""
        return self[::2] != before[::2] or self.position < before.position


UNTOLD = History("", 0.0, 0)


def is_uncertain(now: History, before: History | None, settled: str) -> bool:
    """Tell whether a new owner has to find out what may be missing.

    before: the history as this host's loop has seen it last. settled: the timeline on which an owner was last sure that
    nothing was missing; empty if none was. What this host remembers of an older timeline than that was compared by then.
    """
    if before and settled == now.timeline and now.tables == before.tables and "" < before.timeline < now.timeline:
        return False
    return bool((before and now.has_lost(before)) or (settled and settled != now.timeline))


def read(database: Database) -> History:
    """Return the history as it is now; PostgresError if the database cannot be written to, or gives no answer."""
    try:
        (row,) = database.execute(_NOW)
    except PostgresError as error:
        if "not supported" in str(error) or "permission denied" in str(error):
            return UNTOLD
        raise
    return History(str(row[0]), float(str(row[1])), int(str(row[2])))


def known(state: Path) -> History | None:
    """Return the history as this host's loop has seen it last."""
    try:
        content = foreign_files.read_object(state / _FILE, state.parent)
        return History(str(content["timeline"]), float(str(content["position"])), int(str(content["tables"])))
    except (OSError, ValueError, KeyError):
        return None


def keep(state: Path, history: History) -> None:
    """Remember a history on this host, where the database cannot lose it."""
    foreign_files.write_object(state / _FILE, state.parent, dict(history._asdict()), durable=False)
