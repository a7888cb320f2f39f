"""A supervisor's surroundings in a temporary folder: manifests, journals written by the real writer, and a watch."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

from openbell import heartbeat
from openbell.journal import Journal
from openbell.manifest import Manifest, load_all
from openbell.supervisor.health.shared_hosts import SharedHosts
from openbell.supervisor.health.snapshot import BotView, Snapshot
from openbell.supervisor.store.store import Store
from openbell.supervisor.watch import Watch

PULSE = 'timezone = "UTC"\n[defaults]\ngrace = "20s"\ntimeout = "30s"\n[[bot]]\nsymbols = ["AAPL"]\nevery = "1m"\n'


class World:
    """One place for the files of all sides, and a clock that only tests move."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.strategies, self.journal, self.control = root / "strategies", root / "journal", root / "control"
        self.file = root / "supervisor.sqlite"
        for folder in (self.strategies, self.journal, self.control):
            folder.mkdir()
        self.now = datetime(2026, 11, 20, 12, 0, 30, tzinfo=UTC)
        self.boot = "boot-1"
        self.silent = False  # the loop gives no sign of life
        self.hosts: SharedHosts | None = None  # what a database that hosts share would say
        self.store: Store | None = None
        self._watch: Watch | None = None
        self._runs = 0

    def strategy(self, name: str = "pulse", manifest: str = PULSE) -> None:
        """Write a strategy's manifest."""
        (self.strategies / name).mkdir(exist_ok=True)
        (self.strategies / name / "strategy.toml").write_text(manifest)

    def manifest(self, name: str = "pulse") -> Manifest:
        """Return a strategy's manifest."""
        return next(one for one in load_all(self.strategies)[0] if one.name == name)

    @property
    def watch(self) -> Watch:
        """The running watch; one is started if there is none."""
        if self._watch is None:
            self.store = Store(self.file)
            self._watch = Watch(*load_all(self.strategies), self.journal, self.control, self.store, self._hosts)
        return self._watch

    def _hosts(self) -> SharedHosts:
        return self.hosts or SharedHosts("here")

    def restart(self) -> None:
        """End the watch as kill -9 would; the next step begins with what is stored."""
        if self.store is not None:
            self.store.close()
        self._watch = None

    def write(
        self, event: str, fields: Mapping[str, object] | None = None, strategy: str = "pulse", /, **more: object
    ) -> None:
        """Append a line to a strategy's journal, now."""
        Journal(self.journal, strategy, self.boot, echo=False).write(event, self.now, {**(fields or {}), **more})

    def start(self, strategy: str = "pulse", bots: tuple[str, ...] = ("pulse",), previous_stop: str = "clean") -> None:
        """Let a strategy's loop start."""
        fields = {"release": "abc", "timezone": "UTC", "bots": bots, "previous_stop": previous_stop}
        self.write("service_start", fields, strategy)

    def run(
        self,
        slot: datetime,
        outcome: str | None = "succeeded",
        *,
        trigger: str = "loop",
        bot: str = "pulse",
        **end: object,
    ) -> str:
        """Let a bot run for a slot, now; without an outcome the run stays open. Return its id."""
        self._runs += 1
        fields: dict[str, object] = {"bot": bot, "slot": slot, "run_id": f"run-{self._runs}", "attempt": 1}
        lateness = (self.now - slot) / timedelta(milliseconds=1)
        self.write("run_start", fields, symbols=["AAPL"], lateness_ms=lateness, queue_wait_ms=0.1, trigger=trigger)
        if outcome is not None:
            self.write(
                "run_end",
                fields,
                outcome=outcome,
                tick_duration_ms=12.5,
                signal_generated=True,
                orders=1,
                trigger=trigger,
                **end,
            )
        return f"run-{self._runs}"

    def beat(self, strategy: str = "pulse", *running: str) -> None:
        """Let a strategy's loop beat."""
        (self.journal / strategy).mkdir(exist_ok=True)
        heartbeat.write(self.journal / strategy, heartbeat.Heartbeat(self.now, self.boot, running))

    def see(self) -> Snapshot:
        """Step until the watch waits; return what it says."""
        for _ in range(100):
            if self.watch.step(self.now) > 0:
                break
        assert self.watch.snapshot is not None
        return self.watch.snapshot

    def at(self, clock: str) -> Snapshot:
        """Move on to a time of the day ("12:01:05"), with all steps and beats on the way; return what is said then."""
        until = self.now.replace(hour=int(clock[:2]), minute=int(clock[3:5]), second=int(clock[6:8]), microsecond=0)
        while self.now < until:
            self.now = min(self.now + timedelta(seconds=5), until)
            if not self.silent:
                self.beat()
            snapshot = self.see()
        return snapshot

    def slot(self, clock: str) -> datetime:
        """Return the slot at a time of the day."""
        return self.now.replace(hour=int(clock[:2]), minute=int(clock[3:5]), second=0, microsecond=0)

    def bot(self, bot: str = "pulse") -> BotView:
        """Return what the watch says of a bot."""
        assert self.watch.snapshot is not None
        return next(one for strategy in self.watch.snapshot.strategies for one in strategy.bots if one.id == bot)

    def ledger(self, bot: str = "pulse", strategy: str = "pulse") -> list[tuple[str, int, str | None]]:
        """Return a bot's slots, oldest first: last slot's time, how many, outcome."""
        assert self.store is not None
        slots = self.store.slots.recent(strategy, bot, self.now + timedelta(days=1), 1000)
        return [(f"{slot.last:%H:%M:%S}", slot.count, slot.outcome) for slot in reversed(slots)]
