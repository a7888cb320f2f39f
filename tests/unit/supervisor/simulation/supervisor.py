"""The supervisor under test: the real watch and store, on the simulation's clock, up and down as the simulation wants."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path

from openbell.manifest import load_all
from openbell.supervisor import watch
from openbell.supervisor.health import facts, machine_monitor
from openbell.supervisor.ingest import expectation, journal_reader
from openbell.supervisor.model.records import Fault
from openbell.supervisor.store.store import Store
from openbell.supervisor.watch import Watch
from tests.unit.supervisor.simulation.observed import Record

LONG = timedelta(days=2)
ROOMY = machine_monitor.DiskSpace("journal", 1, 20_000_000_000, 9_000_000_000)
SHORT_OF_ROOM = machine_monitor.DiskSpace("journal", 1, 20_000_000_000, 90_000_000)
MOST_TURNS = 100_000  # of reading at one instant
SMALL_BATCH = 5  # lines


class Supervisor:
    """One volume with a store, and at most one watch."""

    def __init__(self, root: Path) -> None:
        self.strategies, self.journal, self.control = (root / name for name in ("strategies", "journal", "control"))
        for folder in (self.strategies, self.journal, self.control):
            folder.mkdir()
        self.file = root / "supervisor.sqlite"
        self.record = Record()
        self.steps = 0
        self.wait = 0.0
        self.skew: float | None = None  # what the dead man's ping says of the clock
        self.faults: list[Fault] = []  # the store's log
        self.away: list[tuple[datetime, datetime]] = []
        self._left_at: datetime | None = None
        self._watch: Watch | None = None
        self._store: Store | None = None

    @property
    def is_up(self) -> bool:
        """Tell whether the supervisor runs."""
        return self._watch is not None

    @property
    def store(self) -> Store:
        """The watch's memory; there is one only while it is up."""
        assert self._store is not None
        return self._store

    def start(self, now: datetime) -> None:
        """Start as the service does: manifests are read now."""
        self._store = Store(self.file)
        self._watch = Watch(*load_all(self.strategies), self.journal, self.control, self._store)
        if self._left_at is not None:
            self.away.append((self._left_at, now))
        self._left_at = None

    def kill(self, now: datetime) -> None:
        """End as kill -9 does."""
        self.store.close()
        self._watch = self._store = None
        self._left_at = now
        self.record.leave(now)

    def read_log(self) -> None:
        """Read what the store has logged since it was read last."""
        while more := self.store.faults(self.faults[-1].id if self.faults else 0):
            self.faults += more

    def step(self, now: datetime) -> None:
        """Let the watch do all that it has to at this instant."""
        assert self._watch is not None
        self._watch.clock_skew_s = self.skew
        for _ in range(MOST_TURNS):
            self.steps += 1
            self.wait = self._watch.step(now)
            if self.wait > 0:
                break
        snapshot = self._watch.snapshot
        assert snapshot is not None, "the journals were read, and nothing was said"
        self.record.take(snapshot, now)


@contextmanager
def simulated_disk() -> Iterator[list[machine_monitor.DiskSpace]]:
    """Let the watch see these volumes instead of the machine's; the test changes them."""
    rooms = [ROOMY]
    before = machine_monitor.measure
    machine_monitor.measure = lambda _: list(rooms)  # type: ignore[assignment]
    try:
        yield rooms
    finally:
        machine_monitor.measure = before


@contextmanager
def longer_waits() -> Iterator[None]:
    """Let the watch believe in a clock that jumps: what it does each second or minute, it does whenever it is asked.

    It judges from the first batch on, and batches are small, so strategies are judged while others are being read.
    """
    before = facts.GAP, watch.LONGEST_WAIT, journal_reader.FULL_SCAN, expectation.JUMP
    sizes = watch.FIRST_SNAPSHOT, watch.BATCH, journal_reader.BATCH_TOTAL
    facts.GAP, watch.LONGEST_WAIT, journal_reader.FULL_SCAN = LONG, LONG.total_seconds(), LONG / 8
    expectation.JUMP = LONG
    watch.FIRST_SNAPSHOT, watch.BATCH, journal_reader.BATCH_TOTAL = timedelta(0), SMALL_BATCH, SMALL_BATCH
    try:
        yield
    finally:
        facts.GAP, watch.LONGEST_WAIT, journal_reader.FULL_SCAN, expectation.JUMP = before
        watch.FIRST_SNAPSHOT, watch.BATCH, journal_reader.BATCH_TOTAL = sizes
