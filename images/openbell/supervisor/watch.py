"""The watch: reads the journals, advances the slots, judges and publishes a snapshot. `step()` does one round of it."""

import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path

from openbell import foreign_files
from openbell.manifest import Manifest, ManifestError
from openbell.own_days_file import OwnDaysFile
from openbell.supervisor.health.control_state import Deployments, Pauses, SharedAccounts
from openbell.supervisor.health.facts import WatchGaps, WatchPeriod
from openbell.supervisor.health.machine_monitor import MachineMonitor
from openbell.supervisor.health.shared_hosts import SharedHosts
from openbell.supervisor.health.snapshot import Snapshot, next_snapshot
from openbell.supervisor.health.strategy_monitor import StrategyMonitor
from openbell.supervisor.ingest.expectation import WRITE_MARGIN
from openbell.supervisor.ingest.journal_reader import FolderWatcher, JournalReader
from openbell.supervisor.ingest.recorder import LineRecorder
from openbell.supervisor.ingest.slot_ledger import LAST_LINE, SlotLedger
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.store import freed_memory, retention
from openbell.supervisor.store.store import Store

LONGEST_WAIT = 1.0  # seconds between two reads of the journals
LONGEST_WAIT_WATCHING = 5.0  # seconds, where inotify reports new lines at once
BATCH = 5_000  # lines of one journal that are read in one step
# The first snapshot waits so long for all journals to be read; journals that take longer are shown as being read.
FIRST_SNAPSHOT = timedelta(seconds=10)
# The first sweep waits so long for them: what is read after an absence comes first.
FIRST_SWEEP = timedelta(minutes=10)
HOUR = timedelta(hours=1)
SLICE = 20  # pieces of the store's sweep that are done in one step
SLICE_PAUSE = 0.1  # seconds between two slices
AGED_TO = "aged to"  # a mark: the instant by which the last sweep judged what is old


@dataclass(frozen=True)
class _State:
    """What the watch holds in memory; loaded again from the store after a failed write."""

    reader: JournalReader
    ledger: SlotLedger
    recorder: LineRecorder
    monitors: tuple[StrategyMonitor, ...]


class Watch:
    """Watches all strategies. One thread calls `step`; any thread may read `snapshot`."""

    def __init__(
        self,
        manifests: Iterable[Manifest],
        errors: Iterable[ManifestError],
        journal: Path,
        control: Path,
        store: Store,
        hosts: Callable[[], SharedHosts] | None = None,
    ) -> None:
        """hosts: returns what is known of the database that hosts share, and of them."""
        self._hosts = hosts
        self.snapshot: Snapshot | None = None  # None until the journals have been read once
        self.is_slot_overdue = False  # a slot is about to be missed: only the line of a late start could still come
        self.passed_over = 0  # lines of the journals that could not be read or understood
        # Seconds that our clock is ahead of another machine's, as the dead-man ping measures it.
        self.clock_skew_s: float | None = None
        self._manifests = {manifest.name: manifest for manifest in manifests}
        self._problems = {_strategy_of(error): tuple(str(problem) for problem in error.problems) for error in errors}
        self._journal = journal
        self._control = control
        self._store = store
        self._state: _State | None = None
        self._began_at: datetime | None = None
        self._gaps = WatchGaps()
        self._swept_at: datetime | None = None
        self._sweep: Iterator[tuple[str, str]] | None = None
        self._last_fault = 0
        self._saved_version = 0  # the version of the snapshot for which the last judgement was stored
        self._deployments = Deployments(control)
        self._own_days = OwnDaysFile(control)
        self._own_days.reload()
        self._machine = MachineMonitor(
            {"journal": journal, "control": control, "the supervisor's own volume": store.folder}, store.folder
        )
        self._shared_accounts = SharedAccounts(self._manifests.values(), journal, control)
        self._watcher: FolderWatcher | None = None
        self._woken = threading.Event()

    def use_inotify(self) -> None:
        """Let `wait` return as soon as a journal changes, instead of reading all of them each second."""
        self._watcher = FolderWatcher()

    def wait(self, seconds: float) -> None:
        """Return when a journal changes (with inotify), after `wake`, or after so many seconds."""
        if self._watcher is not None:
            self._watcher.wait(seconds)
        else:
            self._woken.wait(seconds)

    def release_cache(self) -> None:
        """Free what the store keeps in memory of its file; between two steps."""
        self._store.release_cache()

    def wake(self) -> None:
        """End `wait`, now and for good; may be called from any thread and any signal handler."""
        self._woken.set()
        if self._watcher is not None:
            self._watcher.wake()

    def step(self, now: datetime) -> float:
        """Do one round; return the seconds until the next one.

        Raises sqlite3.Error if the store cannot be read or written, and OSError if this process is out of descriptors or
        memory; the next step reads again what was not stored. Until then what was known holds.
        """
        self._began_at = self._began_at or now
        try:
            self._store.check_identity()
            if self._own_days.reload():
                self._state = None  # the awaited slots were computed with the calendars before
            period = self._gaps.begin_step(now, self._store, reading=self.snapshot is None or self.snapshot.is_blind)
            state = self._state = self._state or self._load(now)
            with self._store.transaction():
                self._read(state, now)
                if self.snapshot is None and state.reader.behind and self._has_begun_within(FIRST_SNAPSHOT, now):
                    return 0.0
                hosts = self._hosts() if self._hosts is not None else None
                if hosts is None or not hosts.is_blind(now):
                    self._advance(state, now)
                self._sweep_store(state, now)
            if hosts is not None and hosts.is_blind(now):
                self._machine.check(now, self.clock_skew_s)
                unknown = (
                    f"{hosts.host} has no answer from the database"
                    if hosts.lost_since
                    else "Journals are still being fetched from the database"
                )
                self._show_blind(now, f"{unknown}: what you see is what was known before", hosts.conditions(now))
            else:
                self._judge(state, now, period, hosts)
        except (sqlite3.Error, OSError) as error:
            if isinstance(error, OSError) and not foreign_files.is_shortage(error):
                raise
            self._state = self._sweep = None  # memory may be ahead of the store
            own_error = f"The supervisor cannot keep its records: {error}"
            if isinstance(error, OSError):
                own_error = f"The supervisor cannot watch now ({error.strerror}): what you see is what it knew before"
            self._machine.check(now, self.clock_skew_s, store_error=own_error)
            self._show_blind(now, own_error)
            raise
        return 0.0 if state.reader.behind else self._wait_after(state, now)

    def _has_begun_within(self, span: timedelta, now: datetime) -> bool:
        return self._began_at is not None and timedelta(0) <= now - self._began_at < span

    def _show_blind(self, now: datetime, own_error: str, shared: tuple[Condition, ...] = ()) -> None:
        """Publish what was known before, with what is wrong with the machine and the database now."""
        known = self.snapshot
        conditions = tuple(one for one in known.conditions if one.strategy) if known else ()
        self.snapshot = next_snapshot(
            known,
            now,
            known.strategies if known else (),
            (self._machine.conditions, shared, conditions),
            own_error=own_error,
            last_fault=self._last_fault,
            deployment=self._deployments.current(now),
            reading=known.reading if known else (),
            is_blind=True,
        )

    def _load(self, now: datetime) -> _State:
        bots = [bot for manifest in self._manifests.values() for bot in manifest.bots]
        with self._store.transaction():
            ledger = SlotLedger(self._store, bots, self._problems, now)
        monitors = []
        for name in sorted(self._manifests | self._problems):
            manifest = self._manifests.get(name)
            known = manifest.bots if manifest else ()
            expectations = [ledger.expectations[name, bot.id] for bot in known]
            pauses = Pauses(self._control, name, [bot.id for bot in known], self._journal / name)
            folder, problems = self._journal / name, self._problems.get(name, ())
            monitors.append(StrategyMonitor(name, folder, manifest, problems, expectations, pauses, self._store))
        reader = JournalReader(self._journal, self._store.positions(), retention.KEEP_DAYS)
        return _State(reader, ledger, LineRecorder(ledger, self._store), tuple(monitors))

    def _read(self, state: _State, now: datetime) -> None:
        before, unreadable = dict(state.reader.positions), state.reader.unreadable
        names = [monitor.name for monitor in state.monitors]
        changed = set()
        for strategy, lines in state.reader.read_batch(names, now, BATCH, self._watcher):
            changed.add(strategy)
            self.passed_over += state.recorder.record_all(
                strategy, lines, now, replayed=not state.reader.is_read(strategy)
            )
        self.passed_over += state.reader.unreadable - unreadable
        self._store.save_positions(state.reader.positions, before)
        for strategy in changed & state.ledger.last_lines.keys():
            self._store.set_mark(LAST_LINE + strategy, state.ledger.last_lines[strategy])
        self._gaps.save(self._store, news=self.snapshot is not None and self.snapshot.version != self._saved_version)
        self._saved_version = self.snapshot.version if self.snapshot else 0

    def _advance(self, state: _State, now: datetime) -> None:
        """Give the slots that are due their outcome, for each strategy whose journal is read up to now."""
        state.ledger.follow_clock(now)
        for monitor in state.monitors:
            monitor.read_heartbeat(now)
            monitor.advance_slots(state.ledger, now, is_up_to_date=state.reader.is_up_to_date(monitor.name))

    def _judge(self, state: _State, now: datetime, period: WatchPeriod, hosts: SharedHosts | None) -> None:
        deployment = self._deployments.current(now)
        shared = hosts.conditions(now) if hosts is not None else ()
        self._machine.check(now, self.clock_skew_s, journal_error=state.reader.root_error)
        for monitor in state.monitors:
            monitor.host = hosts.runs_on.get(monitor.name, "") if hosts is not None else ""
            if not state.reader.is_read(monitor.name):
                monitor.show_reading(state.reader.unread_bytes(monitor.name))
            else:
                monitor.judge(now, period, state.reader.error_of(monitor.name), state.ledger, deployment)
        state.ledger.clear_changes()
        with suppress(OSError):  # the machine's monitor says what cannot be written
            self._shared_accounts.step(now)
        self.snapshot = next_snapshot(
            self.snapshot,
            now,
            [monitor.view for monitor in state.monitors if monitor.view is not None],
            (self._machine.conditions, shared, *(monitor.conditions for monitor in state.monitors)),
            own_error=state.reader.root_error,
            last_fault=self._last_fault,
            deployment=deployment,
            reading=[monitor.name for monitor in state.monitors if not state.reader.is_read(monitor.name)],
        )
        if self._gaps.record_judgement(now) and self._watcher is not None:
            freed_memory.release_freed_memory()

    def _sweep_store(self, state: _State, now: datetime) -> None:
        self._last_fault = self._store.last_fault()
        if self._sweep is None:
            if self._swept_at is not None and timedelta(0) <= now - self._swept_at < HOUR:
                return
            if self._swept_at is None and state.reader.behind and self._has_begun_within(FIRST_SWEEP, now):
                return
            aged = retention.aged_to(now, self._store.get_mark(AGED_TO), is_first=self._swept_at is None)
            self._swept_at = now
            self._store.set_mark(AGED_TO, aged)
            state.ledger.save_progress()
            state.reader.forget_positions(aged)
            self._sweep = self._store.sweep(aged, state.ledger.timeout)
        pieces = list(islice(self._sweep, SLICE))
        for strategy, bot in pieces:
            if strategy:
                state.ledger.mark_changed(strategy, bot)
        if len(pieces) < SLICE:
            self._sweep = None

    def _wait_after(self, state: _State, now: datetime) -> float:
        is_notified = self._watcher is not None and self._watcher.works and state.reader.trusts_watcher
        waits = [LONGEST_WAIT_WATCHING if is_notified else LONGEST_WAIT]
        if self._sweep is not None:
            waits.append(SLICE_PAUSE)
        starts = [monitor.next_overdue for monitor in state.monitors if monitor.next_overdue is not None]
        checks = [monitor.next_check for monitor in state.monitors if monitor.next_check is not None]
        self.is_slot_overdue = any(at <= now < at + WRITE_MARGIN for at in starts)
        return min(waits + [(at - now).total_seconds() for at in (*starts, *checks) if at > now])


def _strategy_of(error: ManifestError) -> str:
    return error.problems[0].file.split("/")[0]
