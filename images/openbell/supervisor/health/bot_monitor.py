"""Bots under watch: what is known of each, judged, as its view. Made anew only where something has changed."""

from dataclasses import replace
from datetime import UTC, datetime, time, timedelta

from openbell import calendars
from openbell import heartbeat as beats
from openbell.calendars import CalendarExpired
from openbell.manifest import Bot
from openbell.slots import count_slots, next_slot
from openbell.supervisor.health.bot_status import judge_bot
from openbell.supervisor.health.facts import BotFacts, Verdict
from openbell.supervisor.health.slot_history import SHOWN_SLOTS, rows_gone_wrong, single_slots
from openbell.supervisor.health.snapshot import BotView
from openbell.supervisor.ingest.slot_ledger import Expectation
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.durations import SAMPLE, Durations, usual
from openbell.supervisor.model.instants import TICK
from openbell.supervisor.model.records import Finding
from openbell.supervisor.model.times import midnight, next_midnight
from openbell.supervisor.store.store import Store

AHEAD = timedelta(hours=1)  # slots further in the future are a wrong clock's, and not shown
FINDINGS = 20  # the newest findings of a kind that a bot is judged by


class BotMonitor:
    """One bot under watch."""

    def __init__(self, expectation: Expectation, store: Store) -> None:
        self.expectation = expectation
        self.facts = BotFacts(expectation.bot)
        self.view: BotView | None = None
        self.conditions: tuple[Condition, ...] = ()
        self.until: datetime | None = None  # the view is to be made anew then; None: now
        self._store = store

    @property
    def id(self) -> str:
        """The bot's id."""
        return self.facts.bot.id

    def take_stock(self, now: datetime, *, findings: bool) -> None:
        """Fetch the facts from the store; findings: those too."""
        bot, store = self.facts.bot, self._store
        until = now + AHEAD
        slots = single_slots(store.recent_slots(bot.strategy, bot.id, until, SHOWN_SLOTS), bot.schedule, SHOWN_SLOTS)
        good = next((slot.last for slot in slots if slot.outcome == "succeeded"), None)
        rows = rows_gone_wrong(slots)
        if rows is None:
            good = store.last_good(bot.strategy, bot.id, until)
            rows = tuple(store.rows_gone_wrong(bot.strategy, bot.id, good, until))
        self.facts = replace(
            self.facts,
            slots=slots,
            rows=rows,
            last_good=good,
            open_runs=tuple(store.open_runs(bot.strategy, bot.id)),
            awaited=self.expectation.awaited,
            trouble=self.expectation.trouble,
            trouble_since=_calendar_end(bot) if self.expectation.trouble else None,
            stream_ends=self._stream_ends() if bot.is_stream else (),
            findings=self._findings() if findings else self.facts.findings,
            durations=self._durations(),
        )
        self.until = None

    def _stream_ends(self) -> tuple[datetime, ...]:
        runs = self._store.recent_runs(self.facts.bot.strategy, self.id, 10)
        return tuple(run.ended_at for run in runs if run.ended_at is not None)

    def _findings(self) -> tuple[Finding, ...]:
        kinds = ("stale_data", "unexpected_run")
        return tuple(
            finding
            for kind in kinds
            for finding in self._store.findings(self.facts.bot.strategy, self.id, kind, FINDINGS)
        )

    def _durations(self) -> Durations | None:
        bot = self.facts.bot
        newest = [duration for _, duration in self._store.durations(bot.strategy, bot.id, SAMPLE)]
        return usual(newest, self._store.trend(bot.strategy, bot.id) if newest else None)

    def renew(self, loop: Verdict, beat: beats.Heartbeat | None, now: datetime) -> None:
        """Judge, and make the view."""
        if beat is not None:
            on, heard = self.id in beat.running, beat.streams.get(self.id)
            self.facts = replace(self.facts, beat_at=beat.timestamp, runs_on=on, stream_beat=heard)
        bot, judgement = self.facts.bot, judge_bot(self.facts, loop, now)
        following = self.facts.awaited
        if following is not None and following <= now:
            following = _next_slot(bot, now)
        self.conditions = judgement.conditions
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
            durations=self.facts.durations,
        )
        ends = (judgement.until, following, next_midnight(now, bot.schedule.timezone))
        self.until = min(at for at in ends if at is not None)

    def _missed_today(self, now: datetime) -> int:
        bot = self.facts.bot
        start = midnight(now, bot.schedule.timezone)
        count = self._store.count_missed(bot.strategy, bot.id, start)
        for record in self._store.slots_within(bot.strategy, bot.id, start, start):
            if record.outcome == "missed" and record.first < start:
                count += count_slots(bot.schedule, start - TICK, record.last)
        return count


def _calendar_end(bot: Bot) -> datetime | None:
    if bot.schedule.calendar is None:
        return None
    end = calendars.load(bot.schedule.calendar).valid_through + timedelta(days=1)
    return datetime.combine(end, time(), UTC)


def _next_slot(bot: Bot, now: datetime) -> datetime | None:
    try:
        return next_slot(bot.schedule, now)
    except CalendarExpired:
        return None
