"""The watch: read the journals, keep the book, judge, publish. `step()` does all that is to be done at one instant."""

import sqlite3
import threading
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from openbell.manifest import Manifest, ManifestError
from openbell.supervisor.health.control_state import Deployments, Pauses
from openbell.supervisor.health.machine_monitor import MachineMonitor
from openbell.supervisor.health.snapshot import Snapshot, next_snapshot
from openbell.supervisor.health.strategy_monitor import StrategyMonitor, Watched
from openbell.supervisor.health.watch_gaps import WatchGaps
from openbell.supervisor.ingest.folder_watcher import FolderWatcher
from openbell.supervisor.ingest.journal_reader import JournalReader
from openbell.supervisor.ingest.recorder import LineRecorder
from openbell.supervisor.ingest.slot_ledger import HEARD, SlotLedger
from openbell.supervisor.store import freed_memory
from openbell.supervisor.store.retention import KEEP_DAYS
from openbell.supervisor.store.store import Store

LONGEST_WAIT = 1.0  # seconds; new lines in the journals are seen within it
LONGEST_LISTENING = 5.0  # seconds, where new lines are heard
BATCH = 500  # lines of one journal that are taken in one step
PATIENCE = timedelta(
    seconds=10
)  # for all journals to be read before the first snapshot; then the others' are waited for
HOUR = timedelta(hours=1)
SLICE = 20  # pieces of housekeeping that are done in one step
BREATH = 0.1  # seconds between two slices


@dataclass(frozen=True)
class _Desk:
    """What a watch works with; set up anew from the store when that could not be written."""

    intake: JournalReader
    book: SlotLedger
    scribe: LineRecorder
    outlooks: tuple[StrategyMonitor, ...]


class Watch:
    """Watches all strategies. One thread steps; any thread may read `snapshot`."""

    def __init__(
        self, manifests: Iterable[Manifest], errors: Iterable[ManifestError], journal: Path, control: Path, store: Store
    ) -> None:
        self.snapshot: Snapshot | None = None  # None until the journals have been read once
        self.passed_over = 0  # lines of the journals that could not be read or understood
        # Seconds that our clock is ahead of another machine's, as somebody has found out.
        self.clock_skew_s: float | None = None
        self._manifests = {manifest.name: manifest for manifest in manifests}
        self._problems = {_strategy_of(error): tuple(str(problem) for problem in error.problems) for error in errors}
        self._journal = journal
        self._control = control
        self._store = store
        self._desk: _Desk | None = None
        self._began_at: datetime | None = None
        self._presence = WatchGaps()
        self._swept_at: datetime | None = None
        self._sweep: Iterator[tuple[str, str]] | None = None
        self._last_fault = 0
        self._kept = 0  # the version of the snapshot that the store knows of
        self._deployments = Deployments(control)
        self._machine = MachineMonitor(
            {"journal": journal, "control": control, "the supervisor's own volume": store.folder}
        )
        self._ears: FolderWatcher | None = None
        self._bell = threading.Event()

    def listen(self) -> None:
        """Hear of new lines instead of looking for them each second; `wait` then waits for them."""
        self._ears = FolderWatcher()

    def wait(self, seconds: float) -> None:
        """Return when there is something new in a journal, after `wake`, or after so many seconds."""
        if self._ears is not None:
            self._ears.wait(seconds)
        else:
            self._bell.wait(seconds)

    def wake(self) -> None:
        """End the waiting for good; any thread and any signal handler may."""
        self._bell.set()
        if self._ears is not None:
            self._ears.wake()

    def step(self, now: datetime) -> float:
        """Do what is to be done now; return the seconds until the next thing.

        Raises sqlite3.Error if the store cannot be read or written; the next step reads again what was not stored.
        """
        self._began_at = self._began_at or now
        try:
            watched = self._presence.at(now, self._store, reading=self.snapshot is None)
            desk = self._desk = self._desk or self._sit_down(now)
            with self._store.transaction():
                self._read(desk, now)
                if self.snapshot is None and desk.intake.behind and now - self._began_at < PATIENCE:
                    return 0.0
                self._look(desk, now)
                self._keep_house(desk, now)
            self._judge(desk, now, watched)
        except sqlite3.Error as error:
            self._desk = self._sweep = None  # what is in memory may be ahead of what is stored
            trouble = f"The supervisor cannot keep its records: {error}"
            self._machine.look(now, self.clock_skew_s, store_trouble=trouble)
            known = self.snapshot
            conditions = tuple(one for one in known.conditions if one.strategy) if known else ()
            self.snapshot = next_snapshot(
                known,
                now,
                known.strategies if known else (),
                (self._machine.conditions, conditions),
                trouble=trouble,
                last_fault=self._last_fault,
                deployment=self._deployments.look(now),
                reading=known.reading if known else (),
            )
            raise
        return 0.0 if desk.intake.behind else self._wait_after(desk, now)

    def _sit_down(self, now: datetime) -> _Desk:
        bots = [bot for manifest in self._manifests.values() for bot in manifest.bots]
        with self._store.transaction():
            book = SlotLedger(self._store, bots, self._problems, now)
        outlooks = []
        for name in sorted(self._manifests | self._problems):
            manifest = self._manifests.get(name)
            known = manifest.bots if manifest else ()
            expectations = [book.expectations[name, bot.id] for bot in known]
            pauses = Pauses(self._control, name, [bot.id for bot in known])
            folder, problems = self._journal / name, self._problems.get(name, ())
            outlooks.append(StrategyMonitor(name, folder, manifest, problems, expectations, pauses, self._store))
        intake = JournalReader(self._journal, self._store.positions(), KEEP_DAYS)
        return _Desk(intake, book, LineRecorder(book, self._store), tuple(outlooks))

    def _read(self, desk: _Desk, now: datetime) -> None:
        before, unreadable = dict(desk.intake.positions), desk.intake.unreadable
        names = [outlook.name for outlook in desk.outlooks]
        heard = set()
        for strategy, line in desk.intake.batch(names, now, BATCH, self._ears):
            heard.add(strategy)
            if not desk.scribe.take(strategy, line, now, replayed=not desk.intake.is_read(strategy)):
                self.passed_over += 1
        self.passed_over += desk.intake.unreadable - unreadable
        self._store.keep_positions(desk.intake.positions, before)
        for strategy in heard & desk.book.heard.keys():
            self._store.mark(HEARD + strategy, desk.book.heard[strategy])
        self._presence.keep(self._store, news=self.snapshot is not None and self.snapshot.version != self._kept)
        self._kept = self.snapshot.version if self.snapshot else 0

    def _look(self, desk: _Desk, now: datetime) -> None:
        """See what the slots demand, wherever the journal is known up to now."""
        for outlook in desk.outlooks:
            outlook.look(now)
            if desk.intake.is_up_to_date(outlook.name):
                outlook.demand(desk.book, now)

    def _judge(self, desk: _Desk, now: datetime, watched: Watched) -> None:
        deployment = self._deployments.look(now)
        self._machine.look(now, self.clock_skew_s, journal_trouble=desk.intake.trouble)
        for outlook in desk.outlooks:
            if not desk.intake.is_read(outlook.name):
                outlook.wait(desk.intake.left_of(outlook.name))
            else:
                outlook.renew(now, watched, desk.intake.trouble_of(outlook.name), desk.book, deployment)
        desk.book.forget_news()
        self.snapshot = next_snapshot(
            self.snapshot,
            now,
            [outlook.view for outlook in desk.outlooks if outlook.view is not None],
            (self._machine.conditions, *(outlook.conditions for outlook in desk.outlooks)),
            trouble=desk.intake.trouble,
            last_fault=self._last_fault,
            deployment=deployment,
            reading=[outlook.name for outlook in desk.outlooks if not desk.intake.is_read(outlook.name)],
        )
        if self._presence.judged(now) and self._ears is not None:
            freed_memory.give_back()

    def _keep_house(self, desk: _Desk, now: datetime) -> None:
        self._last_fault = self._store.last_fault()
        if self._sweep is None:
            if self._swept_at is not None and timedelta(0) <= now - self._swept_at < HOUR:
                return
            self._swept_at = now
            desk.book.keep_progress()
            self._sweep = self._store.sweep(now, desk.book.timeout)
        pieces = list(islice(self._sweep, SLICE))
        for strategy, bot in pieces:
            if strategy:
                desk.book.note(strategy, bot)
        if len(pieces) < SLICE:
            self._sweep = None

    def _wait_after(self, desk: _Desk, now: datetime) -> float:
        hears = self._ears is not None and self._ears.works and desk.intake.trusts_ears
        waits = [LONGEST_LISTENING if hears else LONGEST_WAIT]
        if self._sweep is not None:
            waits.append(BREATH)
        waits += [
            (at - now).total_seconds() for outlook in desk.outlooks if (at := outlook.due) is not None and at > now
        ]
        return min(waits)


def _strategy_of(error: ManifestError) -> str:
    return error.problems[0].file.split("/")[0]
