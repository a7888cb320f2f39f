"""A watched strategy: judges its loop and its bots and builds its view, each only when something has changed."""

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

from openbell import calendars, foreign_files, heartbeat
from openbell.calendars.ending import holidays_end
from openbell.control import Deployment
from openbell.manifest import Manifest
from openbell.supervisor.health.bot_monitor import BotMonitor
from openbell.supervisor.health.control_state import Pauses
from openbell.supervisor.health.facts import LoopFacts, Verdict, WatchPeriod
from openbell.supervisor.health.loop_status import judge_loop
from openbell.supervisor.health.snapshot import StrategyView
from openbell.supervisor.ingest.expectation import WRITE_MARGIN, Expectation
from openbell.supervisor.ingest.slot_ledger import NO_LINES, SlotLedger
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.formatting import midnight, monday
from openbell.supervisor.model.records import Finding, ServiceEvent, Worth
from openbell.supervisor.store.store import Store

EVENTS = 50  # the newest events of a loop that its status is judged by
WHILE_RUNNING = timedelta(seconds=heartbeat.INTERVAL)  # between two reads of the heartbeat while runs are in progress
WHILE_IDLE = timedelta(seconds=heartbeat.OLD / 2)  # and while none are
FINDINGS = 20  # the newest comparisons with the broker that it is judged by


class StrategyMonitor:
    """One watched strategy."""

    def __init__(
        self,
        name: str,
        journal: Path,
        manifest: Manifest | None,
        problems: tuple[str, ...],
        expectations: Iterable[Expectation],
        pauses: Pauses,
        store: Store,
    ) -> None:
        """journal: its folder. `manifest` is None if it is not valid; then `problems` says why."""
        self.name = name
        self.bots = tuple(BotMonitor(expectation, store) for expectation in expectations)
        self.heartbeat: heartbeat.Heartbeat | None = None
        self.host = ""  # that runs it, or did last, where hosts share a database
        self.view: StrategyView | None = None
        self.conditions: tuple[Condition, ...] = ()
        self.next_check: datetime | None = None  # when it must be judged even without news
        self.next_overdue: datetime | None = None  # when a bot with nothing wrong should have started its awaited slot
        self._folder = journal
        self._manifest = manifest
        self._problems = problems
        self._pauses = pauses
        self._store = store
        self._events: tuple[ServiceEvent, ...] | None = None
        self._reconciled: tuple[Finding, ...] = ()
        self._judgement: Verdict | None = None
        self._deployment: Deployment | None = None
        self._known_since: datetime | None = None
        self._journal_error_since: datetime | None = None
        self._last_line_at: datetime | None = None  # of its journal
        self._heartbeat_read_at: datetime | None = None
        self._has_open_runs = False
        self._was_behind = False  # its slots were not advanced when they were to be
        self._needs_heartbeat = False  # the next heartbeat may change the judgement
        self._judged_on: object = None  # what was judged last, apart from the store and the pauses

    def read_heartbeat(self, now: datetime) -> None:
        """Read the heartbeat, if anything depends on it now."""
        judgement = self._judgement
        alive = (
            judgement is not None and judgement.status == "up" and (judgement.until is None or now < judgement.until)
        )
        often = WHILE_RUNNING if self._has_open_runs or self._needs_heartbeat else WHILE_IDLE
        if alive and self._heartbeat_read_at is not None and timedelta(0) <= now - self._heartbeat_read_at < often:
            return
        try:
            self.heartbeat, self._heartbeat_read_at = heartbeat.read(self._folder), now
        except OSError as error:
            if foreign_files.is_shortage(error):
                raise  # what is known would grow old, and a loop that beats would look dead

    def advance_slots(self, ledger: SlotLedger, now: datetime, *, is_up_to_date: bool) -> None:
        """Give the slots that are due by now their outcome, if the journal is read up to now; otherwise the next time."""
        if not is_up_to_date:
            self._was_behind = True
            return
        was_behind, self._was_behind = self._was_behind, False
        if self.heartbeat is not None and self._heartbeat_read_at == now:
            ledger.end_lost_runs(self.name, self.heartbeat, now)
        if was_behind or self.name in ledger.changed_strategies or self.next_check is None or now >= self.next_check:
            for bot in self.bots:
                expectation = bot.expectation
                deadline, awaited = expectation.deadline, expectation.awaited
                passed = deadline is not None and now >= deadline
                # A strategy that is behind is judged all the same: its bots may have a view, and yet no slot is awaited.
                if was_behind or bot.view is None or passed or (self.name, bot.id) in ledger.changed_bots:
                    ledger.advance(expectation, now)
                    if expectation.awaited != awaited:
                        ledger.mark_changed(self.name, bot.id)

    def judge(
        self, now: datetime, period: WatchPeriod, journal_error: str, ledger: SlotLedger, deployment: Deployment | None
    ) -> None:
        """Judge at `now`, if there is news or it is time. journal_error: why the journal cannot be read."""
        # Silence proves nothing before the journal has been read.
        self._known_since = min(self._known_since or now, now)
        period = replace(period, since=max(period.since, self._known_since))
        deployment = deployment if deployment is not None and self.name in deployment.strategies else None
        judged_on = (period, journal_error, deployment, self.host, self.heartbeat if self._needs_heartbeat else None)
        pauses_changed = self._pauses.refresh(now)
        news = (
            self.name in ledger.changed_strategies
            or pauses_changed
            or judged_on != self._judged_on
            or self._judgement is None
        )
        if not news and (self.next_check is None or now < self.next_check):
            return
        self._judged_on = judged_on
        self._journal_error_since = (self._journal_error_since or now) if journal_error else None
        self._last_line_at = ledger.last_lines.get(self.name)
        has_events = self.name in ledger.changed_loops or self._events is None
        if has_events:
            self._events = tuple(self._store.services(self.name, EVENTS))
            self._reconciled = tuple(self._store.comparisons(self.name, FINDINGS))
        for bot in self.bots:
            key = self.name, bot.id
            if bot.view is None or key in ledger.changed_bots:
                bot.load_facts(now, findings=bot.view is None or key in ledger.changed_findings)
        judgement = self._judge(now, period, journal_error, deployment)
        differs = self._judgement is None or _without_until(judgement) != _without_until(self._judgement)
        differs = differs or deployment != self._deployment
        self._judgement, self._deployment = judgement, deployment
        self._judge_bots(now, period, judgement, everything=differs or has_events)
        if differs or has_events or self.view is None or self._is_outdated(self.view):
            self.view = self._view(judgement, now)
        self.conditions = (*judgement.conditions, *(one for bot in self.bots for one in bot.conditions))
        self.next_check = min(self._ends(now), default=None)
        deadlines = (bot.expectation.deadline for bot in self.bots if not bot.facts.streaks)
        starts = (at - WRITE_MARGIN for at in deadlines if at is not None and at > now)
        self.next_overdue = min(starts, default=None)
        self._has_open_runs = any(bot.facts.open_runs or bot.facts.bot.is_stream for bot in self.bots)
        self._needs_heartbeat = judgement.status != "up" or any(_missed_without_lines(bot) for bot in self.bots)

    def _judge(self, now: datetime, period: WatchPeriod, journal_error: str, deployment: Deployment | None) -> Verdict:
        calendar = self._manifest.calendar if self._manifest else None
        facts = LoopFacts(
            strategy=self.name,
            timezone=self._zone,
            since=min((bot.expectation.since for bot in self.bots), default=self._known_since or now),
            watched_since=period.since,
            judged_before=period.judged_before,
            events=self._events or (),
            heartbeat=self.heartbeat,
            problems=self._problems,
            journal_error=journal_error,
            journal_error_since=self._journal_error_since,
            deployment=deployment,
            calendar=calendar or "",
            calendar_ends=calendars.load(calendar).valid_through if calendar else None,
            holidays_end=holidays_end(calendars.load(calendar)) if calendar else None,
            reconciled=self._reconciled,
            unwritten=self._unwritten(),
            last_line_at=self._last_line_at,
        )
        return judge_loop(facts, now)

    def _unwritten(self) -> datetime | None:
        """Return the first of the newest missed slots that are not in the journal although the loop was alive."""
        start = next((event for event in self._events or () if event.event == "service_start"), None)
        if self.heartbeat is None or start is None or start.boot_id != self.heartbeat.boot_id:
            return None
        unwritten = []
        for bot in self.bots:
            if not _missed_without_lines(bot) or not bot.expectation.stored.started or self._pauses.get(bot.id):
                continue
            without_lines = takewhile(lambda one: one.reason == NO_LINES, bot.facts.slots)
            written_by = self.heartbeat.timestamp - WRITE_MARGIN  # a loop that was alive then had time to write
            unwritten += [
                one.last
                for one in without_lines
                if start.at < one.last and bot.facts.bot.start_by(one.last) < written_by
            ]
        return min(
            (slot for slot in unwritten if self._last_line_at is not None and slot > self._last_line_at), default=None
        )

    def _judge_bots(self, now: datetime, period: WatchPeriod, judgement: Verdict, *, everything: bool) -> None:
        for bot in self.bots:
            pause = self._pauses.get(bot.id)
            if everything or pause != bot.facts.pause:
                bot.facts = replace(
                    bot.facts, pause=pause, deployment=self._deployment, loop_started=self._loop_started()
                )
                bot.valid_until = now
            if bot.valid_until is None or now >= bot.valid_until:
                bot.judge(judgement, self.heartbeat, now, period.since)

    def _loop_started(self) -> datetime | None:
        return next((event.at for event in self._events or () if event.event == "service_start"), None)

    def show_reading(self, unread_bytes: int) -> None:
        """Show that the journal is still being read, without a judgement."""
        reason = f"its journal is being read, {unread_bytes / 1e6:.0f} MB to go"
        if self.view is None or self.view.reason != reason:
            self.view = self._view(Verdict("new", reason), None)

    @property
    def _zone(self) -> str:
        return self._manifest.timezone if self._manifest else "UTC"

    def _ends(self, now: datetime) -> Iterator[datetime]:
        ends = [self._judgement.until] if self._judgement else []
        for bot in self.bots:
            ends += [bot.valid_until, bot.expectation.deadline]
        return (at for at in ends if at is not None and at > now)

    def _is_outdated(self, view: StrategyView) -> bool:
        return view.host != self.host or any(
            shown is not bot.view for shown, bot in zip(view.bots, self.bots, strict=True)
        )

    def _worth(self, now: datetime) -> Worth | None:
        newest = next(iter(self._store.accounts(self.name, 1)), None)
        return self._store.equity.worth(self.name, newest, midnight(now, self._zone), monday(now, self._zone))

    def _view(self, judgement: Verdict, now: datetime | None) -> StrategyView:
        return StrategyView(
            name=self.name,
            description=self._manifest.description if self._manifest else "",
            timezone=self._zone,
            status=judgement.status,
            reason=judgement.reason,
            condition=judgement.condition,
            release=next((event.detail for event in self._events or () if event.event == "service_start"), ""),
            problems=self._problems,
            bots=tuple(bot.view for bot in self.bots if bot.view is not None),
            broker=self._manifest.broker if self._manifest else "",
            money=self._manifest.money if self._manifest else "",
            worth=self._worth(now) if now is not None else None,
            tags=self._manifest.tags if self._manifest else (),
            host=self.host,
        )


def _missed_without_lines(bot: BotMonitor) -> bool:
    return bool(bot.facts.slots) and bot.facts.slots[0].reason == NO_LINES


def _without_until(judgement: Verdict) -> tuple[object, ...]:
    return judgement.status, judgement.reason, judgement.condition, judgement.conditions
