"""The outlook: what is known of one strategy and its bots, judged, as views. Made anew only where something has changed."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from openbell import beat as beats
from openbell.calendars import CalendarExpired
from openbell.control import Control, Pause
from openbell.manifest import Bot, Manifest
from openbell.slots import count_slots, next_slot
from openbell.supervisor.book import Expectation
from openbell.supervisor.records import ServiceEvent
from openbell.supervisor.snapshot import SHOWN_SLOTS, BotView, StrategyView, single_slots
from openbell.supervisor.status import BotFacts, Judgement, LoopFacts, judge_bot, judge_loop
from openbell.supervisor.store import Store
from openbell.supervisor.times import midnight, next_midnight

EVENTS = 50  # the newest events of a loop that its status is judged by
AHEAD = timedelta(hours=1)  # slots further in the future are a wrong clock's, and not shown
_TICK = timedelta(milliseconds=1)
_FRESH = 2.0  # seconds


class Pauses:
    """The pauses of one strategy's bots, read again only when their folder has changed."""

    def __init__(self, root: Path, strategy: str, bots: Iterable[str]) -> None:
        self._folder = root / strategy / "paused"
        self._control = Control(root, strategy)
        self._bots = tuple(bots)
        self._version = 0
        self._found: dict[str, Pause | None] = {}

    def of(self, bot: str) -> Pause | None:
        """Return the bot's pause, expired or not, or None if it has none."""
        return self._found.get(bot)

    def look(self, now: datetime) -> None:
        """Read what has changed."""
        try:
            version = self._folder.stat().st_mtime_ns
        except OSError:
            version = 0  # there is no pause where there is no folder
        # Two changes within one tick of the file system's clock look like one.
        recent = abs(now.timestamp() - version / 1e9) < _FRESH
        if version != self._version or recent:
            self._version = version
            self._found = {bot: self._read(bot) for bot in self._bots} if version else {}

    def _read(self, bot: str) -> Pause | None:
        try:
            return self._control.paused(bot)
        except OSError:  # removed between two looks, or not readable: the journal will tell what was skipped
            return None


class BotOutlook:
    """One bot under watch."""

    def __init__(self, expectation: Expectation, store: Store) -> None:
        self.expectation = expectation
        self.facts = BotFacts(expectation.bot)
        self.view: BotView | None = None
        self.until: datetime | None = None  # the view is to be made anew then; None: now
        self._store = store

    @property
    def id(self) -> str:
        """The bot's id."""
        return self.facts.bot.id

    def take_stock(self, now: datetime) -> None:
        """Fetch the facts from the store."""
        bot = self.facts.bot
        records = self._store.recent_slots(bot.strategy, bot.id, now + AHEAD, SHOWN_SLOTS)
        self.facts = replace(
            self.facts,
            slots=single_slots(records, bot.schedule, SHOWN_SLOTS),
            open_runs=tuple(self._store.open_runs(bot.strategy, bot.id)),
            awaited=self.expectation.awaited,
            trouble=self.expectation.trouble,
        )
        self.until = None

    def renew(self, loop: Judgement, beat: beats.Beat | None, now: datetime) -> None:
        """Judge, and make the view."""
        self.facts = replace(self.facts, stream_beat=beat.streams.get(self.id) if beat else None)
        bot, judgement = self.facts.bot, judge_bot(self.facts, loop, now)
        following = self.facts.awaited
        if following is not None and following <= now:
            following = _next_slot(bot, now)
        self.view = BotView(
            id=bot.id,
            symbols=bot.symbols,
            timezone=bot.schedule.timezone,
            status=judgement.status,
            reason=judgement.reason,
            condition=judgement.condition,
            slots=self.facts.slots,
            next_slot=following,
            last_decision=next(iter(self._store.decisions(bot.strategy, bot.id, 1)), None),
            missed_today=self._missed_today(now),
        )
        ends = (judgement.until, following, next_midnight(now, bot.schedule.timezone))
        self.until = min(at for at in ends if at is not None)

    def _missed_today(self, now: datetime) -> int:
        bot = self.facts.bot
        start = midnight(now, bot.schedule.timezone)
        count = self._store.count_missed(bot.strategy, bot.id, start)
        for record in self._store.slots_within(bot.strategy, bot.id, start, start):
            if record.outcome == "missed" and record.first < start:
                count += count_slots(bot.schedule, start - _TICK, record.last)
        return count


class StrategyOutlook:
    """One strategy under watch."""

    def __init__(
        self,
        name: str,
        manifest: Manifest | None,
        problems: tuple[str, ...],
        expectations: Iterable[Expectation],
        pauses: Pauses,
        store: Store,
    ) -> None:
        """`manifest` is None if it is not valid; `problems` says why then."""
        self.name = name
        self.bots = tuple(BotOutlook(expectation, store) for expectation in expectations)
        self.beat: beats.Beat | None = None
        self.view: StrategyView | None = None
        self._manifest = manifest
        self._problems = problems
        self._pauses = pauses
        self._store = store
        self._events: tuple[ServiceEvent, ...] | None = None
        self._judgement: Judgement | None = None

    def renew(
        self, now: datetime, watched_since: datetime, trouble: str, changed: set[tuple[str, str]], *, news: bool
    ) -> None:
        """Judge at `now`. changed: (strategy, bot) with new records. news: there are new events of the loop."""
        if news or self._events is None:
            self._events = tuple(self._store.services(self.name, EVENTS))
        zone = self._manifest.timezone if self._manifest else "UTC"
        since = min((bot.expectation.since for bot in self.bots), default=watched_since)
        facts = LoopFacts(zone, since, watched_since, self._events, self.beat, self._problems, trouble)
        judgement = judge_loop(facts, now)
        differs = self._judgement is None or _said(judgement) != _said(self._judgement)
        self._judgement = judgement
        self._pauses.look(now)
        before = [bot.view for bot in self.bots]
        for bot in self.bots:
            if self._pauses.of(bot.id) != bot.facts.pause:
                bot.facts = replace(bot.facts, pause=self._pauses.of(bot.id))
                bot.until = now
            if bot.view is None or (self.name, bot.id) in changed:
                bot.take_stock(now)
            if bot.until is None or now >= bot.until or differs:
                bot.renew(judgement, self.beat, now)
        if differs or news or self.view is None or before != [bot.view for bot in self.bots]:
            self.view = self._view(judgement, zone, self._events)

    def ends(self, now: datetime) -> Iterable[datetime]:
        """Yield the instants to come at which something has to be judged anew."""
        ends = [self._judgement.until] if self._judgement else []
        for bot in self.bots:
            ends += [bot.until, bot.expectation.deadline]
        return (at for at in ends if at is not None and at > now)

    def _view(self, judgement: Judgement, zone: str, events: Iterable[ServiceEvent]) -> StrategyView:
        return StrategyView(
            name=self.name,
            description=self._manifest.description if self._manifest else "",
            timezone=zone,
            status=judgement.status,
            reason=judgement.reason,
            condition=judgement.condition,
            release=next((event.detail for event in events if event.event == "service_start"), ""),
            problems=self._problems,
            bots=tuple(bot.view for bot in self.bots if bot.view is not None),
        )


def _said(judgement: Judgement) -> tuple[str, str, str]:
    return judgement.status, judgement.reason, judgement.condition


def _next_slot(bot: Bot, now: datetime) -> datetime | None:
    try:
        return next_slot(bot.schedule, now)
    except CalendarExpired:
        return None
