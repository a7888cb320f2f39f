"""The alert service: processes each snapshot in the thread of the watch, and sends in threads of its own."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from openbell.manifest import Manifest
from openbell.supervisor.alerts import digest as digests
from openbell.supervisor.alerts.canary import CanaryRunner
from openbell.supervisor.alerts.delivery import Worker, Workers
from openbell.supervisor.alerts.incidents import Incidents
from openbell.supervisor.alerts.links import IncidentLinks
from openbell.supervisor.alerts.model import Message
from openbell.supervisor.alerts.quiet_hours import DailyTime
from openbell.supervisor.alerts.sender_client import SenderClient
from openbell.supervisor.alerts.settings import AlertSettings
from openbell.supervisor.alerts.store import AlertStore, open_database
from openbell.supervisor.health.snapshot import Snapshot
from openbell.supervisor.store.store import Store

if TYPE_CHECKING:
    from openbell.supervisor.alerts.deadman import Deadman

FILE = "alerts.sqlite"  # in the supervisor's folder


@dataclass(frozen=True)
class AlertSetup:
    """What the alerts work with.

    state and control: folders. modules: by scheme, the Apprise plugins that the check of the channels has found.
    address: the page's, for links.
    """

    settings: AlertSettings
    manifests: Sequence[Manifest]
    state: Path
    control: Path
    store: Store
    clock: Callable[[], datetime]
    on_skew: Callable[[float], None]
    modules: Mapping[str, str] = field(default_factory=dict)
    address: str = ""
    may_send: Callable[[], bool] = lambda: True


class AlertService:
    """Everything between a judged snapshot and a channel. Only the thread of the watch calls `process`."""

    def __init__(self, setup: AlertSetup) -> None:
        settings, clock, file = setup.settings, setup.clock, setup.state / FILE
        self.settings = settings
        self.links = IncidentLinks(setup.state, setup.address)
        self._manifests = setup.manifests
        self._records = setup.store
        self._alert_store = AlertStore(open_database(file), file)
        with self._alert_store.transaction():
            self._alert_store.set_channels(settings.channels, clock())
            self._start_digests(clock())
        self._incidents = Incidents(self._alert_store, settings, setup.store.faults, self.links.to)
        self._canary = CanaryRunner(setup.control)
        self._sender = SenderClient(clock, modules=setup.modules, alone=len(settings.channels) == 1)
        self._workers = Workers(
            [Worker(channel, settings, file, self._sender, clock, setup.may_send) for channel in settings.channels]
        )
        self._cycles = 0
        self._deadman = self._make_deadman(setup, file)

    def _make_deadman(self, setup: AlertSetup, file: Path) -> "Deadman | None":
        settings = setup.settings
        if not settings.deadman_url:
            return None
        from openbell.supervisor.alerts.deadman import Deadman  # noqa: PLC0415 - with urllib it takes 1 MB

        every, cycles = settings.deadman_every, lambda: self._cycles
        return Deadman(settings.deadman_url, every, file, cycles, setup.clock, setup.on_skew)

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
        self._sender.close()
        self._canary.close()
        self._alert_store.close()

    def get_ready(self) -> None:
        """Start what sends, since a message is likely within a second or two."""
        if self.settings.channels:
            self._sender.warm()

    def process(self, snapshot: Snapshot | None, now: datetime) -> float | None:
        """Store the alerts of a snapshot; return the seconds until the next call at the latest, None if there is no hurry.

        Raises sqlite3.Error if they cannot be stored: the next call does it again, so nothing is lost.
        """
        self._alert_store.check_identity()
        if self._workers.damage is not None:
            raise self._workers.damage
        canaries, canary_wait = self._canary.step(now)
        if snapshot is None:
            return canary_wait
        wait = self._incidents.process(snapshot, now, canaries)
        digest_wait = self._digests(snapshot, now)
        self._cycles += 1
        if wait is not None and self.settings.channels:
            self._workers.wake()
            if 0 < wait < 1:
                self.get_ready()
        return min((one for one in (wait, canary_wait, digest_wait) if one is not None), default=None)

    # Digests

    def _start_digests(self, now: datetime) -> None:
        for one in self.settings.digests:
            if self._alert_store.instant(f"digest {one.name}") is None:
                self._alert_store.put_instant(f"digest {one.name}", now)  # it is enabled from now on

    def _digests(self, snapshot: Snapshot, now: datetime) -> float | None:
        for one in self.settings.digests:
            mark, due = f"digest {one.name}", one.newest(now)
            sent = self._alert_store.instant(mark)
            if sent is not None and sent >= due:
                continue
            if now - due <= digests.STALE:
                # Its key is its day, so a crash between the two transactions does not store it twice.
                self._incidents.messages.store(
                    replace(self._digest(one, snapshot, now), key=digests.key(one, due)), now
                )
                self._workers.wake()
            with self._alert_store.transaction():
                self._alert_store.put_instant(mark, due)
        nexts = (one.next(now) - now for one in self.settings.digests)
        return min((left / timedelta(seconds=1) for left in nexts), default=None)

    def _digest(self, one: DailyTime, snapshot: Snapshot, now: datetime) -> Message:
        if one.name == "morning":
            return digests.before_open(snapshot, self._manifests, one, now)
        done = digests.done_today(self._records, self._manifests, now, one.timezone)
        return digests.after_close(done, snapshot, one, now)
