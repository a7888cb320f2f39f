"""A watched bot: loads its facts and newest slots, judges them and builds its view, each only when something has changed."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from itertools import islice

from openbell import calendars
from openbell.calendars import CalendarExpired
from openbell.heartbeat import Heartbeat
from openbell.instants import MILLISECOND
from openbell.manifest import Bot, Schedule, windows
from openbell.slots import count_slots, next_slot, slots_between
from openbell.supervisor.health.bot_conditions import last_sign
from openbell.supervisor.health.bot_status import judge_bot, manual_failure
from openbell.supervisor.health.facts import BotFacts, Verdict
from openbell.supervisor.health.snapshot import Blackout, BotView, StreamView
from openbell.supervisor.ingest.expectation import Expectation
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.durations import SAMPLE, Durations, usual
from openbell.supervisor.model.formatting import midnight, next_midnight
from openbell.supervisor.model.records import MANUAL, DecisionRecord, Finding, RunRecord, SlotRecord, Streak
from openbell.supervisor.store.event_tables import KEEP_EACH
from openbell.supervisor.store.store import Store

AHEAD = timedelta(seconds=1)  # slots further in the future come from a clock that was ahead and prove nothing
RUNS = 10  # the newest runs that are examined
MANUAL_RUNS = 5  # failed ones that are shown among the slots
MOST_SYMBOLS = 20  # whose decisions of one run are examined
FINDINGS = 20  # the newest findings of a kind that a bot is judged by
BEATS_SHOWN = timedelta(seconds=30)  # how old the beat of a stream may be that is shown, although there is a newer one

SHOWN_SLOTS = 20  # the newest slots of a bot that are shown
BAD = ("missed", "failed", "timed_out", "interrupted")


class BotMonitor:
    """One watched bot."""

    def __init__(self, expectation: Expectation, store: Store) -> None:
        self.expectation = expectation
        self.facts = BotFacts(expectation.bot)
        self.view: BotView | None = None
        self.conditions: tuple[Condition, ...] = ()
        self.valid_until: datetime | None = None  # the view holds until then; None: judge now
        self._store = store

    @property
    def id(self) -> str:
        """The bot's id."""
        return self.facts.bot.id

    def load_facts(self, now: datetime, *, findings: bool) -> None:
        """Load the facts from the store; findings: also the findings."""
        bot, store = self.facts.bot, self._store
        until = now + AHEAD
        slots = single_slots(store.slots.recent(bot.strategy, bot.id, until, SHOWN_SLOTS), bot.schedule, SHOWN_SLOTS)
        success = next((slot.last for slot in slots if slot.outcome == "succeeded"), None)
        streaks = bad_streaks(slots)
        if streaks is None:
            success = store.slots.last_success(bot.strategy, bot.id, until)
            streaks = tuple(store.slots.bad_streaks(bot.strategy, bot.id, success, until))
        runs = store.runs.recent(bot.strategy, bot.id, 1)  # nearly always the only one that is needed
        if bot.is_stream or not any(map(_is_telling, runs)):
            runs = store.runs.recent(bot.strategy, bot.id, RUNS)
        self.facts = replace(
            self.facts,
            runs=needed_runs(runs),
            slots=slots,
            streaks=streaks,
            last_success=success,
            open_runs=tuple(store.runs.open(bot.strategy, bot.id)),
            awaited=self.expectation.awaited,
            calendar_error=self.expectation.calendar_error,
            calendar_error_since=_calendar_end(bot) if self.expectation.calendar_error else None,
            stream_ends=tuple(run.ended_at for run in runs if run.ended_at is not None) if bot.is_stream else (),
            findings=self._findings() if findings else self.facts.findings,
            durations=self._durations(),
        )
        self.valid_until = None

    def _findings(self) -> tuple[Finding, ...]:
        if not self._store.has_findings(self.facts.bot.strategy, self.id):
            return ()
        kinds = ("stale_data", "unexpected_run", "order_rejected", "order_uncertain", "symbol_unavailable")
        return tuple(
            finding
            for kind in kinds
            for finding in self._store.findings(self.facts.bot.strategy, self.id, kind, FINDINGS)
        )

    def _durations(self) -> Durations | None:
        bot = self.facts.bot
        newest = self._store.runs.durations(bot.strategy, bot.id, SAMPLE)
        return usual(newest, self._store.trend(bot.strategy, bot.id) if newest else None)

    def judge(self, loop: Verdict, heartbeat: Heartbeat | None, now: datetime, watched_since: datetime) -> None:
        """Judge the facts and build the view. watched_since: the supervisor watches without a gap since then."""
        if heartbeat is not None:
            self.facts = replace(
                self.facts,
                heartbeat_at=heartbeat.timestamp,
                is_running=self.id in heartbeat.running,
                stream_heartbeat=heartbeat.streams.get(self.id),
            )
        bot, facts = self.facts.bot, self.facts.corrected(now, watched_since)
        judgement = judge_bot(facts, loop, now)
        following = self.facts.awaited
        if following is not None and following <= now:
            following = _next_slot(bot, now)
        near = windows.nearest(bot.schedule.blackout, now)
        blackout = None if near is None else Blackout(near[0].text, near[1], near[2])
        edge = None if blackout is None else blackout.start if now < blackout.start else blackout.end
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
            last_decision=_telling(
                self._store.decisions(bot.strategy, bot.id, min(len(bot.symbols), MOST_SYMBOLS) or 1)
            ),
            missed_today=self._missed_today(now),
            durations=self.facts.durations,
            last_success=self.facts.last_success,
            blackout=blackout,
            manual_failure=manual_failure(self.facts.runs, bot.schedule.timezone),
            stream=self._stream(facts, now) if bot.is_stream else None,
            manual_runs=self._manual_runs(),
            open_orders=self._store.orders.count_open(bot.strategy, bot.id),
            uptime=self._store.slot_days.uptime(bot.strategy, bot.id, now),
        )
        show_beat = now + BEATS_SHOWN if bot.is_stream else None
        ends = (judgement.until, following, edge, show_beat, next_midnight(now, bot.schedule.timezone))
        self.valid_until = min(at for at in ends if at is not None)

    def _stream(self, facts: BotFacts, now: datetime) -> StreamView:
        start = midnight(now, facts.bot.schedule.timezone)
        decisions = self._store.decisions(facts.bot.strategy, self.id, KEEP_EACH)
        orders = sum(one.action in {"buy", "sell"} and one.at >= start for one in decisions)
        since = next((run.attempt_at or run.slot for run in facts.open_runs[-1:]), None)
        return StreamView(since, last_sign(facts), orders)

    def _manual_runs(self) -> tuple[SlotRecord, ...]:
        """Return the failed manual runs among the slots that are shown, and those since."""
        slots, bot = self.facts.slots, self.facts.bot
        since = slots[-1].last if slots else self.expectation.since
        return tuple(
            SlotRecord(
                run.slot,
                run.slot,
                1,
                run.outcome,
                MANUAL,
                run_id=run.run_id,
                duration_ms=run.duration_ms,
                error=run.error,
            )
            for run in self._store.runs.failed_manual(bot.strategy, bot.id, since, MANUAL_RUNS)
        )

    def _missed_today(self, now: datetime) -> int:
        bot = self.facts.bot
        start = midnight(now, bot.schedule.timezone)
        count = self._store.slots.count_missed(bot.strategy, bot.id, start)
        for record in self._store.slots.in_range(bot.strategy, bot.id, start, start):
            if record.outcome == "missed" and record.first < start:
                count += count_slots(bot.schedule, start - MILLISECOND, record.last)
        return count


def needed_runs(runs: Sequence[RunRecord]) -> tuple[RunRecord, ...]:
    """Return the newest runs by which a bot is judged: up to the last that has ended, manual ones that have failed aside.

    The others would take several megabytes for 1,000 bots.
    """
    for number, run in enumerate(runs, 1):
        if _is_telling(run):
            return tuple(runs[:number])
    return tuple(runs)


def _is_telling(run: RunRecord) -> bool:
    return run.outcome is not None and (run.trigger != "manual" or run.outcome == "succeeded")


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


def _telling(decisions: Sequence[DecisionRecord]) -> DecisionRecord | None:
    """Return the decision of the newest run that says most: an order that was turned away, then any order, then the newest."""
    newest = decisions[0].run_id if decisions else ""
    return min((one for one in decisions if one.run_id == newest), key=_rank, default=None)


def _rank(decision: DecisionRecord) -> int:
    if decision.action in {"buy", "sell"}:
        return 1 if decision.about.get("status") in {None, "", "filled"} else 0
    return 2 if decision.action == "hold" else 0


def single_slots(records: Iterable[SlotRecord], schedule: Schedule, limit: int) -> tuple[SlotRecord, ...]:
    """Return the newest slots one by one, ranges expanded. `records` are newest first."""
    singles: list[SlotRecord] = []
    for record in records:
        if record.count == 1:
            singles.append(record)
        else:
            singles.extend(_expand(record, schedule, limit - len(singles)))
        if len(singles) >= limit:
            break
    return tuple(singles[:limit])


def _expand(record: SlotRecord, schedule: Schedule, limit: int) -> list[SlotRecord]:
    # A range may span months, and only its newest slots are needed: search back from its end, further each time.
    reach = timedelta(hours=1)
    while True:
        after = max(record.last - reach, record.first - MILLISECOND)
        slots = list(islice(slots_between(schedule, after, record.last), 100_000))
        if len(slots) >= limit or after < record.first:
            return [_single(record, slot) for slot in reversed(slots)]
        reach *= 8


def _single(record: SlotRecord, slot: datetime) -> SlotRecord:
    return SlotRecord(slot, slot, 1, record.outcome, record.reason, judged=record.judged)


def bad_streaks(slots: Iterable[SlotRecord]) -> tuple[Streak, ...] | None:
    """Return the bad slots since the last success, by outcome; None if the last success is not among `slots` (newest first).

    A slot whose run began after its grace counts as missed until that run has succeeded.
    """
    streaks: dict[str, Streak] = {}
    seen = 0
    for slot in slots:
        seen += 1
        outcome = slot.outcome or ("missed" if slot.late else None)
        if outcome == "succeeded":
            return tuple(streaks.values())
        if outcome in BAD:
            streak = streaks.get(outcome, Streak(outcome, 0, slot.first, slot.last))
            streaks[outcome] = streak._replace(count=streak.count + 1, first=slot.first)
    return tuple(streaks.values()) if seen < SHOWN_SLOTS else None
