"""The outlook: what is known of one strategy and its bots, judged, as a view. Made anew only where something has changed."""

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from itertools import takewhile
from pathlib import Path

from openbell import calendars
from openbell import heartbeat as beats
from openbell.control import Deployment
from openbell.manifest import Manifest
from openbell.supervisor.health.bot_monitor import BotMonitor
from openbell.supervisor.health.control_state import Pauses
from openbell.supervisor.health.facts import LoopFacts, Verdict
from openbell.supervisor.health.loop_status import judge_loop
from openbell.supervisor.health.snapshot import StrategyView
from openbell.supervisor.ingest.slot_ledger import SETTLING, UNHEARD, Expectation, SlotLedger
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import Finding, ServiceEvent
from openbell.supervisor.store.store import Store

EVENTS = 50  # the newest events of a loop that its status is judged by
BEAT = timedelta(seconds=beats.INTERVAL)  # between two looks at the beat while runs go on
RARELY = timedelta(seconds=beats.OLD / 2)  # and while nothing goes on
FINDINGS = 20  # the newest comparisons with the broker that it is judged by


@dataclass(frozen=True)
class Watched:
    """Since when the supervisor watches without a gap, and when it judged for the last time before that gap."""

    since: datetime
    judged_before: datetime | None


class StrategyMonitor:
    """One strategy under watch."""

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
        """journal: its folder. `manifest` is None if it is not valid; `problems` says why then."""
        self.name = name
        self.bots = tuple(BotMonitor(expectation, store) for expectation in expectations)
        self.beat: beats.Heartbeat | None = None
        self.view: StrategyView | None = None
        self.conditions: tuple[Condition, ...] = ()
        self.due: datetime | None = None  # when something has to be done without any news
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
        self._trouble_since: datetime | None = None
        self._heard: datetime | None = None  # the newest line of its journal
        self._beat_at: datetime | None = None  # when the beat was read
        self._begun = False  # there are runs in progress
        self._doubtful = False  # the next beat says more than that the loop is as it was
        self._seen: object = None  # what was judged last, beside what the store and the pauses say

    def look(self, now: datetime) -> None:
        """Read the beat, if anything depends on it now."""
        judgement = self._judgement
        alive = (
            judgement is not None and judgement.status == "up" and (judgement.until is None or now < judgement.until)
        )
        often = BEAT if self._begun or self._doubtful else RARELY
        if alive and self._beat_at is not None and timedelta(0) <= now - self._beat_at < often:
            return
        with suppress(OSError):  # short of descriptors: what this process lacks says nothing of the loop
            self.beat, self._beat_at = beats.read(self._folder), now

    def demand(self, book: SlotLedger, now: datetime) -> None:
        """See what the slots demand now; the journal is known up to now."""
        if self.beat is not None and self._beat_at == now:
            book.settle_lost(self.name, self.beat)
        if self.name in book.touched or self.due is None or now >= self.due:
            for bot in self.bots:
                deadline = bot.expectation.deadline
                passed = deadline is not None and now >= deadline
                if bot.view is None or passed or (self.name, bot.id) in book.changed:
                    book.advance(bot.expectation, now)

    def renew(
        self, now: datetime, watched: Watched, trouble: str, book: SlotLedger, deployment: Deployment | None
    ) -> None:
        """Judge at `now`, if there is news or it is time. trouble: why the journal cannot be read."""
        # Silence proves nothing before its journal was read.
        self._known_since = self._known_since or now
        watched = replace(watched, since=max(watched.since, self._known_since))
        deployment = deployment if deployment is not None and self.name in deployment.strategies else None
        seen = (watched, trouble, deployment, self.beat if self._doubtful else None)
        pauses_changed = self._pauses.look(now)
        news = self.name in book.touched or pauses_changed or seen != self._seen or self._judgement is None
        if not news and (self.due is None or now < self.due):
            return
        self._seen = seen
        self._trouble_since = (self._trouble_since or now) if trouble else None
        self._heard = book.heard.get(self.name)
        has_events = self.name in book.services_changed or self._events is None
        if has_events:
            self._events = tuple(self._store.services(self.name, EVENTS))
            self._reconciled = tuple(self._store.comparisons(self.name, FINDINGS))
        for bot in self.bots:
            key = self.name, bot.id
            if bot.view is None or key in book.changed:
                bot.take_stock(now, findings=bot.view is None or key in book.found)
        judgement = self._judge(now, watched, trouble, deployment)
        differs = self._judgement is None or _said(judgement) != _said(self._judgement)
        differs = differs or deployment != self._deployment
        self._judgement, self._deployment = judgement, deployment
        self._renew_bots(now, judgement, everything=differs or has_events)
        if differs or has_events or self.view is None or self._is_outdated(self.view):
            self.view = self._view(judgement)
        self.conditions = (*judgement.conditions, *(one for bot in self.bots for one in bot.conditions))
        self.due = min(self._ends(now), default=None)
        self._begun = any(bot.facts.open_runs or bot.facts.bot.is_stream for bot in self.bots)
        self._doubtful = judgement.status != "up" or any(_is_unheard(bot) for bot in self.bots)

    def _judge(self, now: datetime, watched: Watched, trouble: str, deployment: Deployment | None) -> Verdict:
        calendar = self._manifest.calendar if self._manifest else None
        facts = LoopFacts(
            strategy=self.name,
            timezone=self._zone,
            since=min((bot.expectation.since for bot in self.bots), default=self._known_since or now),
            watched_since=watched.since,
            judged_before=watched.judged_before,
            events=self._events or (),
            beat=self.beat,
            problems=self._problems,
            trouble=trouble,
            trouble_since=self._trouble_since,
            deployment=deployment,
            calendar=calendar or "",
            calendar_ends=calendars.load(calendar).valid_through if calendar else None,
            reconciled=self._reconciled,
            unwritten=self._unwritten(),
            heard=self._heard,
        )
        return judge_loop(facts, now)

    def _unwritten(self) -> datetime | None:
        """Return the first slot of those missed last that a loop wrote nothing about though it was there and alive."""
        start = next((event for event in self._events or () if event.event == "service_start"), None)
        if self.beat is None or start is None or start.boot_id != self.beat.boot_id:
            return None
        silent = []
        for bot in self.bots:
            if not _is_unheard(bot) or not bot.expectation.stored.started or bot.facts.pause:
                continue
            unheard = takewhile(lambda one: one.reason == UNHEARD, bot.facts.slots)
            told = self.beat.timestamp - SETTLING  # a loop that beat then had its chance to write
            silent += [one.last for one in unheard if start.at < one.last and bot.facts.bot.start_by(one.last) < told]
        return min((slot for slot in silent if self._heard is not None and slot > self._heard), default=None)

    def _renew_bots(self, now: datetime, judgement: Verdict, *, everything: bool) -> None:
        for bot in self.bots:
            pause = self._pauses.of(bot.id)
            if everything or pause != bot.facts.pause:
                bot.facts = replace(
                    bot.facts, pause=pause, deployment=self._deployment, loop_started=self._loop_started()
                )
                bot.until = now
            if bot.until is None or now >= bot.until:
                bot.renew(judgement, self.beat, now)

    def _loop_started(self) -> datetime | None:
        return next((event.at for event in self._events or () if event.event == "service_start"), None)

    def wait(self, left: int) -> None:
        """Judge nothing: a journal of which so many bytes are not read yet is no ground for a judgement."""
        reason = f"its journal is being read, {left / 1e6:.0f} MB to go"
        if self.view is None or self.view.reason != reason:
            self.view = self._view(Verdict("new", reason))

    @property
    def _zone(self) -> str:
        return self._manifest.timezone if self._manifest else "UTC"

    def _ends(self, now: datetime) -> Iterator[datetime]:
        ends = [self._judgement.until] if self._judgement else []
        for bot in self.bots:
            ends += [bot.until, bot.expectation.deadline]
        return (at for at in ends if at is not None and at > now)

    def _is_outdated(self, view: StrategyView) -> bool:
        return any(shown is not bot.view for shown, bot in zip(view.bots, self.bots, strict=True))

    def _view(self, judgement: Verdict) -> StrategyView:
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
        )


def _is_unheard(bot: BotMonitor) -> bool:
    return bool(bot.facts.slots) and bot.facts.slots[0].reason == UNHEARD


def _said(judgement: Verdict) -> tuple[object, ...]:
    return judgement.status, judgement.reason, judgement.condition, judgement.conditions
