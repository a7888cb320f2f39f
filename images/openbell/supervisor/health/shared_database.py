"""The database that hosts share, as the supervisor of one of them has it: one thread that follows it.

It brings what people want of strategies to this host's files, and the journals too where no loop shares their folder. It
says that this host is there, notices hosts that are not any more, and owns the alerts if no other supervisor does.
"""

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import structlog

from openbell import heartbeat
from openbell.postgres.connection import PostgresError
from openbell.postgres.control_copy import ControlCopy
from openbell.postgres.database import Database, wait_no_longer_than
from openbell.postgres.journal_copy import JournalCopy
from openbell.postgres.lease import LONGEST_TAKEOVER, Lease
from openbell.postgres.ownership import Ownership, steady_seconds
from openbell.postgres.tables import ALERTS, SHARED, SHARED_SCHEMA
from openbell.supervisor.health.shared_hosts import REMEMBERED, Move, SharedHosts

HOST, COPY = "OPENBELL_HOST", "OPENBELL_COPY_JOURNALS"  # set where the supervisor shares no folder with loops
EVERY = 1.0  # seconds between two rounds
PATIENCE = 4.0  # seconds for an answer
COPY_WITHIN = 2.0  # seconds of a round for the journals
PRESENT = 15  # seconds for which a host counts as there
# After the first answer, until each strategy has an owner that beats, and this host's journals have what was written meanwhile.
CAUGHT_UP = timedelta(seconds=LONGEST_TAKEOVER + heartbeat.INTERVAL)
_HERE = "INSERT INTO hosts VALUES (?, clock_timestamp() + ? * interval '1 second') ON CONFLICT (host) DO UPDATE SET until = excluded.until"
_GONE = "SELECT host FROM hosts WHERE until < clock_timestamp() AND until > clock_timestamp() - interval '1 day' ORDER BY host"
_OWNERS = (
    "SELECT strategy, host, until > clock_timestamp() FROM owners WHERE strategy <> ? AND epoch > 0 ORDER BY strategy"
)

log = structlog.get_logger()


class SharedDatabase:
    """Follows the database in a thread of its own; any thread may read `hosts`."""

    def __init__(
        self,
        url: str,
        strategies: Iterable[str],
        folders: Mapping[str, Path],
        clock: Callable[[], datetime],
    ) -> None:
        """folders: journal, control, and state for the supervisor's own."""
        wait_no_longer_than(PATIENCE, EVERY)
        copies = bool(os.environ.get(COPY))
        settles = clock() + CAUGHT_UP if copies else None  # the journals of the time before are not here yet
        self.hosts = SharedHosts(os.environ.get(HOST) or os.uname().nodename, settles_until=settles)
        self._clock = clock
        self._database = Database(url, SHARED_SCHEMA)
        self._alerts = Ownership(self._database, ALERTS, os.urandom(4).hex(), self.hosts.host)
        self._control = ControlCopy(self._database, folders["control"])
        copied = folders["state"] / "copied"
        self._watched = frozenset(strategies)
        names = sorted(self._watched) if copies else []
        for one in names:
            (copied / one).mkdir(parents=True, exist_ok=True)
        self._copy = JournalCopy(url, folders["journal"], {one: copied / one for one in names})
        self._lease: Lease | None = None
        self._has_tables = False
        self._seen: dict[str, tuple[str, datetime]] = {}  # by strategy: its last host, and when that ran it
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="database", daemon=True)

    def start(self) -> None:
        """Begin to follow."""
        self._thread.start()

    def close(self) -> None:
        """Stop, and say that this host stopped in order."""
        self._stop.set()
        if self._thread.ident is not None:
            self._thread.join(2 * PATIENCE)
        try:
            if self._lease is not None:
                self._alerts.release(self._lease.epoch)
            self._database.execute("DELETE FROM hosts WHERE host = ?", (self.hosts.host,))
        except (sqlite3.Error, OSError):
            pass  # it is over by itself

    def step(self) -> None:
        """Do one round."""
        now = self._clock()
        before = self.hosts
        try:
            if not self._has_tables:
                self._database.make(SHARED)
                self._has_tables = True
            self._database.execute(_HERE, (self.hosts.host, PRESENT))
            sends = self._own_alerts()
            gone = [str(row[0]) for row in self._database.execute(_GONE)]
            moves, homeless, runs_on = self._follow_owners(now)
            self._control.copy()
            is_behind = self._copy_lines()
            self._copy.copy_signs()
        except (PostgresError, OSError) as error:
            since = before.lost_since or now
            # Whose the alerts are stays as it was, as far as is known.
            self.hosts = replace(before, lost_since=since, error=str(error), settles_until=None)
            if before.lost_since is None:
                log.error("database.lost", error=str(error))  # noqa: TRY400 - the network, not the code
            return
        settles = now + CAUGHT_UP if before.lost_since is not None or is_behind else before.settles_until
        kept = tuple(one for one in before.moves if one.before in gone or now - one.at < REMEMBERED)
        gone_since = {one: before.gone.get(one, now) for one in gone}
        self.hosts = SharedHosts(before.host, sends, None, "", settles, gone_since, (*kept, *moves), homeless, runs_on)
        if sends != before.sends:
            log.info("alerts.owned" if sends else "alerts.elsewhere", host=before.host)

    def _copy_lines(self) -> bool:
        """Copy what is new, for a while; tell whether there is more: a run that is not copied yet must not count as missed."""
        until = steady_seconds() + COPY_WITHIN
        while self._copy.copy_lines():
            if steady_seconds() > until:
                return True
        return False

    def _own_alerts(self) -> bool:
        asked_at = steady_seconds()
        if self._lease is None:
            acquired = self._alerts.acquire()
            if acquired is not None:
                self._lease = Lease.granted(acquired.epoch, asked_at)
        elif self._lease.is_due(asked_at):
            renewed = self._alerts.renew(self._lease.epoch, "")
            self._lease = Lease.granted(self._lease.epoch, asked_at) if renewed else None
        return self._lease is not None

    def _follow_owners(self, now: datetime) -> tuple[tuple[Move, ...], tuple[str, ...], dict[str, str]]:
        """Return the strategies that have moved since the last round, those that no host runs, and the last host of each."""
        moves, homeless, runs_on = [], [], {}
        for strategy, host, is_alive in self._database.execute(_OWNERS, (ALERTS,)):
            name, where = str(strategy), str(host)
            runs_on[name] = where
            if not is_alive:
                homeless += [name] if name in self._watched else []  # others were removed, or renamed
                continue
            last = self._seen.get(name)
            if last is not None and last[0] != where:
                moves.append(Move(name, last[0], where, now - last[1], now))
            self._seen[name] = (where, now)
        return tuple(moves), tuple(homeless), runs_on

    def _run(self) -> None:
        while not self._stop.wait(EVERY):
            try:
                self.step()
            except Exception:
                # Whatever a round meets must not end the thread: alerts are sent by its word.
                log.exception("database.failed")
