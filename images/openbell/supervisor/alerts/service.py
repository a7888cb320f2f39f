"""The alerts as the supervisor has them: one object that is shown each snapshot, and threads that send."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from openbell.manifest import Manifest
from openbell.supervisor.alerts import digest as digests
from openbell.supervisor.alerts.canary import CanaryRunner
from openbell.supervisor.alerts.deadman import Deadman
from openbell.supervisor.alerts.delivery import Worker, Workers
from openbell.supervisor.alerts.incidents import Incidents
from openbell.supervisor.alerts.quiet_hours import DailyTime
from openbell.supervisor.alerts.records import Message
from openbell.supervisor.alerts.sender_client import SenderClient
from openbell.supervisor.alerts.settings import AlertSettings
from openbell.supervisor.alerts.store import AlertStore, open_database
from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.store.store import Store

FILE = "alerts.sqlite"  # in the supervisor's folder


class AlertService:
    """Everything between a judged snapshot and a channel. `see` is called by the thread that watches, and by no other."""

    def __init__(
        self,
        settings: AlertSettings,
        manifests: Sequence[Manifest],
        folder: Path,
        control: Path,
        store: Store,
        clock: Callable[[], datetime],
        tell_skew: Callable[[float], None],
    ) -> None:
        file = folder / FILE
        self.settings = settings
        self._manifests = manifests
        self._store = store
        self._memory = AlertStore(open_database(file))
        with self._memory.transaction():
            self._memory.set_channels(settings.channels, clock())
            self._start_digests(clock())
        self._desk = Incidents(self._memory, settings, store.faults)
        self._cage = CanaryRunner(control)
        self._post = SenderClient(clock)
        self._workers = Workers([Worker(channel, settings, file, self._post, clock) for channel in settings.channels])
        self._cycles = 0
        self._deadman = (
            Deadman(settings.deadman_url, settings.deadman_every, file, lambda: self._cycles, clock, tell_skew)
            if settings.deadman_url
            else None
        )

    def start(self) -> None:
        """Begin to send and to ping."""
        self._workers.start()
        if self._deadman is not None:
            self._deadman.start()

    def close(self) -> None:
        """Stop sending; what waits is sent after the next start."""
        if self._deadman is not None:
            self._deadman.stop()
        self._workers.stop(1.0)
        self._post.close()
        self._cage.close()
        self._memory.close()

    def see(self, snapshot: Snapshot | None, now: datetime) -> float | None:
        """Take in what has been judged; return the seconds until the next look at the latest, None if any time will do.

        Raises sqlite3.Error if it cannot be stored: nothing is lost, the next look does it again.
        """
        canaries, canary_wait = self._cage.step(now)
        if snapshot is None:
            return canary_wait
        wait = self._desk.see(snapshot, now, canaries)
        digest_wait = self._digests(snapshot, now)
        self._cycles += 1
        if wait is not None and self.settings.channels:
            self._workers.look()
            if 0 < wait < 1:
                self._post.warm()
        return min((one for one in (wait, canary_wait, digest_wait) if one is not None), default=None)

    # Digests

    def _start_digests(self, now: datetime) -> None:
        for one in self.settings.digests:
            if self._memory.instant(f"digest {one.name}") is None:
                self._memory.put_instant(f"digest {one.name}", now)  # it is wished for from now on

    def _digests(self, snapshot: Snapshot, now: datetime) -> float | None:
        for one in self.settings.digests:
            mark, due = f"digest {one.name}", one.newest(now)
            said = self._memory.instant(mark)
            if said is not None and said >= due:
                continue
            if now - due <= digests.STALE:
                # Stored under its day before the mark is set: a crash in between stores it no second time.
                self._desk.say(replace(self._digest(one, snapshot, now), key=digests.key(one, due)), now)
                self._workers.look()
            with self._memory.transaction():
                self._memory.put_instant(mark, due)
        nexts = (one.next(now) - now for one in self.settings.digests)
        return min((left / timedelta(seconds=1) for left in nexts), default=None)

    def _digest(self, one: DailyTime, snapshot: Snapshot, now: datetime) -> Message:
        if one.name == "morning":
            return digests.before_open(snapshot, self._manifests, one, now)
        done = digests.done_today(self._store, self._manifests, now, one.timezone)
        return digests.after_close(done, snapshot, one, now)
