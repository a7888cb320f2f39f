"""Who runs a strategy: a row with an epoch, judged by the database's clock.

An owner renews its row. A standby may change it once the owner's time is over and an order of the owner's can no longer
be on its way; the epoch grows with every owner. Each write that matters checks the row inside its own transaction
(`database.Guard`), so what a frozen process does when it wakes up has no effect.
"""

import os
import time
from datetime import UTC, datetime
from typing import NamedTuple

from openbell.paths import EPOCH
from openbell.postgres import homes
from openbell.postgres.database import Database, Guard
from openbell.postgres.lease import IN_FLIGHT, LEASE

_ACQUIRE = f"""
INSERT INTO owners AS mine (strategy, epoch, until, owner, host)
SELECT ?, 1, clock_timestamp() + ? * interval '1 second', ?, ?
WHERE NOT EXISTS ({homes.better_place("? ?", 0)})
ON CONFLICT (strategy) DO UPDATE
SET epoch = mine.epoch + 1, until = excluded.until, owner = excluded.owner, host = excluded.host
WHERE mine.until + ? * interval '1 second' < clock_timestamp()
RETURNING epoch, answers, (SELECT timeline FROM settled WHERE settled.strategy = mine.strategy),
    extract(epoch FROM clock_timestamp())
"""  # noqa: S608 - as written here
_RENEW = f"""
UPDATE owners SET until = clock_timestamp() + ? * interval '1 second', beat = ?
WHERE strategy = ? AND epoch = ? AND owner = ? AND until > clock_timestamp()
RETURNING ({homes.better_place("owners.strategy owners.host", homes.TRUSTED)})
"""  # noqa: S608 - as written here
_RELEASE = "UPDATE owners SET until = '-infinity' WHERE strategy = ? AND epoch = ? AND owner = ?"
_ANSWER = "UPDATE owners SET answers = ? WHERE strategy = ? AND epoch = ? AND owner = ? AND until > clock_timestamp()"
_SETTLE = (
    "INSERT INTO settled SELECT strategy, ? FROM owners "
    "WHERE strategy = ? AND epoch = ? AND owner = ? AND until > clock_timestamp() "
    "ON CONFLICT (strategy) DO UPDATE SET timeline = excluded.timeline"
)


class Acquired(NamedTuple):
    """What a new owner is given."""

    epoch: int
    answers: str  # what the owner before has answered to people, as its file had it
    timeline: str  # the database's when an owner was last sure that nothing was missing; empty if none ever was
    at: datetime  # by the database's clock


class Owner(NamedTuple):
    """Who owns a strategy, as others see it."""

    host: str
    epoch: int
    seconds_left: float  # below zero once it is over
    beat: str
    answers: str


class Ownership:
    """One strategy's row, for one loop. Every method raises PostgresError."""

    def __init__(self, database: Database, strategy: str, owner: str, host: str) -> None:
        """database: the schema that all strategies share."""
        self.awaited_by = ""  # at the last renewal: the host where the strategy should rather run, and whose loop waits
        self._database = database
        self._strategy = strategy
        self._owner, self._host = owner, host

    def acquire(self) -> Acquired | None:
        """Become the owner if there is none; None if there is."""
        mine = self._strategy, LEASE, self._owner, self._host
        values = (*mine, self._strategy, self._host, IN_FLIGHT)
        row = self._database.execute(_ACQUIRE, values).fetchone()
        if row is None:
            return None
        epoch, answers, timeline, at = (str(value or "") for value in row)
        return Acquired(int(epoch), answers, timeline, datetime.fromtimestamp(float(at), UTC))

    def renew(self, epoch: int, beat: str) -> bool:
        """Own the strategy for another LEASE, and tell others of the loop's heartbeat; False if it is not owned any more."""
        rows = self._database.execute(_RENEW, (LEASE, beat, self._strategy, epoch, self._owner))
        self.awaited_by = str(rows[0][0] or "") if rows else ""
        return bool(rows)

    def answer(self, epoch: int, answers: str) -> bool:
        """Keep what the loop answers to people; False if the strategy is not owned any more."""
        return self._database.execute(_ANSWER, (answers, self._strategy, epoch, self._owner)).rowcount == 1

    def release(self, epoch: int) -> None:
        """Let another become the owner at once: no run goes on, and no order is on its way."""
        self._database.execute(_RELEASE, (self._strategy, epoch, self._owner))

    def settle(self, epoch: int, timeline: str) -> None:
        """Say that nothing is open any more of what the database may have lost before this timeline."""
        self._database.execute(_SETTLE, (timeline, self._strategy, epoch, self._owner))

    def current(self) -> Owner | None:
        """Return the owner, or the last one; None if there never was any."""
        seconds = "CASE WHEN until = '-infinity' THEN -1e9 ELSE extract(epoch FROM until - clock_timestamp()) END"
        statement = f"SELECT host, epoch, {seconds}, beat, answers FROM owners WHERE strategy = ?"  # noqa: S608 - as written here
        row = self._database.execute(statement, (self._strategy,)).fetchone()
        return Owner(str(row[0]), int(str(row[1])), float(str(row[2])), str(row[3]), str(row[4])) if row else None


def steady_seconds() -> float:
    """Return the seconds of a clock that never steps, and goes on while the machine sleeps."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


def guard_of(strategy: str) -> Guard | None:
    """Return the ownership that this process's writes need; None in a function, which owns nothing for long."""
    words = os.environ.get(EPOCH, "").split()
    return Guard(strategy, int(words[0]), *words[1:]) if words else None


def keep_guard(guard: Guard | None) -> None:
    """Let this process, and all that it starts, write under an ownership, or under none."""
    os.environ.pop(EPOCH, None)
    if guard is not None:
        os.environ[EPOCH] = f"{guard.epoch} {guard.owner} {guard.timeline}"
