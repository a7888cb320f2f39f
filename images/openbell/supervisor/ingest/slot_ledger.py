"""The slot ledger: gives each expected slot one outcome, from the journals and from the schedules.

A run is assigned to its own slot, never to the nearest one. A slot that the journal does not mention in time is missed.
If a run of that slot is read later (catch_up, a corrected clock, a journal that could not be read for a while), the run's
outcome replaces that. Reading a line twice changes nothing.
"""

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime, timedelta

from openbell.calendars import CalendarExpired
from openbell.heartbeat import Heartbeat
from openbell.instants import MILLISECOND
from openbell.journal import BACKFILL, stamp
from openbell.manifest import Bot
from openbell.slots import count_slots, last_slot, next_slot, slots_between
from openbell.supervisor.ingest.expectation import WRITE_MARGIN, ClockTrust, Expectation, expectation_of
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import Expected, RunRecord, SlotRecord, why_not
from openbell.supervisor.store.store import Store

AHEAD = timedelta(seconds=60)  # how far in the future a slot may lie that its loop has passed over
LOST_AFTER = timedelta(
    seconds=60
)  # a run that its loop no longer names counts as interrupted if its run_end is not read by then
AT_ONCE = timedelta(hours=6)  # records of so long are looked up together
EXPECTED_SINCE = "expected since"  # a mark in a store that was rebuilt: what the one before it had judged ends there
LAST_LINE = "heard "  # a mark for each strategy: the timestamp of its newest journal line
NO_LINES = "nothing in the journal"
BAD = frozenset({"missed", "failed", "timed_out", "interrupted"})
_EVER = datetime.max.replace(tzinfo=UTC)


class SlotLedger:
    """Writes slots and runs to the store, in the transaction of its caller, and collects which bots have changed."""

    def __init__(self, store: Store, bots: Iterable[Bot], unknown: Iterable[str], now: datetime) -> None:
        """Start with the bots in the manifests. `unknown`: strategies whose manifest cannot be read."""
        self._store = store
        known_before = store.expected()
        # A store that was rebuilt knows of no bot: they are expected since the one before it judged last.
        since = now if known_before else min(store.get_mark(EXPECTED_SINCE) or now, now)
        self.expectations = {(bot.strategy, bot.id): expectation_of(bot, since) for bot in bots}
        # What has changed since `clear_changes`: bots, bots with new findings, strategies, and strategies' loops.
        self.changed_bots: set[tuple[str, str]] = set()
        self.changed_findings: set[tuple[str, str]] = set()
        self.changed_strategies: set[str] = set()
        self.changed_loops: set[str] = set()
        self.last_lines = store.get_marks(LAST_LINE)  # by strategy, the timestamp of its newest journal line
        self._clock = ClockTrust(now)
        self._taken_back: dict[tuple[str, str], Expected] = {}  # what was known before the clock was set back
        without_manifest = frozenset(unknown)
        for stored in known_before:
            known = self.expectations.get((stored.strategy, stored.bot))
            if known is None and stored.strategy not in without_manifest:
                # If the bot is added again later, no slots are expected of it for the time in between.
                store.stop_expecting(stored.strategy, stored.bot)
            elif known is not None and known.stored.schedule == stored.schedule:
                known.stored, known.recorded_until = stored, stored.recorded_until
        self.save_progress()

    def mark_changed(self, strategy: str, bot: str, *, findings: bool = False) -> None:
        """Remember that a bot has new records; findings: also new findings."""
        key = strategy, bot
        if key not in self.changed_bots:
            self.changed_bots.add(key)
            self.changed_strategies.add(strategy)
        if findings:
            self.changed_findings.add(key)

    def mark_loop_changed(self, strategy: str) -> None:
        """Remember that a strategy's loop has new records."""
        self.changed_loops.add(strategy)
        self.changed_strategies.add(strategy)

    def clear_changes(self) -> None:
        """Forget what has changed."""
        self.changed_bots.clear()
        self.changed_findings.clear()
        self.changed_strategies.clear()
        self.changed_loops.clear()

    def save_progress(self) -> None:
        """Store up to when slots have records. Once in a while is enough: computing a slot again gives the same record."""
        for expectation in self.expectations.values():
            expectation.stored = expectation.stored._replace(recorded_until=expectation.recorded_until)
            self._store.expect(expectation.stored)

    def timeout(self, strategy: str, bot: str) -> timedelta | None:
        """Return how long a run of the bot may take; None for an unknown bot or a stream."""
        expectation = self.expectations.get((strategy, bot))
        return None if expectation is None or expectation.bot.is_stream else expectation.bot.timeout

    # From the journals

    def record_run(self, strategy: str, run: RunRecord, reason: str = "") -> None:
        """Store a run and give its slot the run's outcome."""
        self._store.runs.put(strategy, run)
        self.mark_changed(strategy, run.bot)
        if run.trigger not in {"manual", "stream"}:
            self._assign(strategy, run, reason)

    def _assign(self, strategy: str, run: RunRecord, reason: str) -> None:
        expectation = self.expectation_for(strategy, run.bot, run.slot)
        records = self._store.slots.in_range(strategy, run.bot, run.slot, run.slot)
        if expectation is not None and not expectation.is_slot(run.slot) and not _is_assigned(run, records):
            return  # not a slot (an old schedule, a holiday): only stored as a run
        before = None
        was_missed = False
        for record in records:
            if record.run_id not in {None, run.run_id}:
                return  # another run is assigned to the slot
            before = record.outcome
            was_missed = record.outcome == "missed" or record.late
            if record.count > 1 or record.last != run.slot:  # else it is replaced below
                self._cut(strategy, run.bot, record, run.slot, run.slot)
        late = expectation is not None and (run.started_at or run.slot) > expectation.bot.start_by(run.slot)
        # A slot that was passed over for a reason is not missed because a person runs it afterwards.
        late = late and (run.trigger != BACKFILL or was_missed)
        record = SlotRecord(run.slot, run.slot, 1, run.outcome, reason, late, run.judged, run.run_id)
        self._store.slots.put(strategy, run.bot, record)
        if run.outcome in BAD and expectation is not None and run.outcome != before:
            self._log_fault(expectation.bot, record, run.error or reason)

    def record_skip(self, strategy: str, bot: str, skip: SlotRecord) -> None:
        """Store that the bot's loop has passed over a slot or a range; a slot that has a run keeps it."""
        self.mark_changed(strategy, bot)
        known = False
        for record in self._store.slots.in_range(strategy, bot, skip.first, skip.last):
            if record.run_id is None:
                known = known or record.outcome == skip.outcome
                self._cut(strategy, bot, record, skip.first, skip.last)
        expectation = self.expectation_for(strategy, bot, skip.last)
        try:
            if expectation is not None:
                self._fill(expectation, skip.first - MILLISECOND, skip.last, skip, log=not known)
                return
        except CalendarExpired:
            pass  # the runner's calendar reaches further than ours, so the journal is right
        self._store.slots.put(strategy, bot, skip)

    def record_first_start(self, expectation: Expectation, at: datetime) -> None:
        """Store that the bot's container has started for the first time."""
        # The slots of a new bot are expected from the first start of its container, not from the moment at which the
        # supervisor read its manifest, unless the start took so long that a slot was missed meanwhile.
        since = expectation.since
        if since < at and expectation.recorded_until == since:
            due = next_slot(expectation.bot.schedule, since)
            if due is None or at <= expectation.bot.start_by(due):
                expectation.recorded_until = since = at
        expectation.stored = expectation.stored._replace(
            since=since, recorded_until=expectation.recorded_until, started=True
        )
        self._store.expect(expectation.stored)
        self.mark_changed(expectation.bot.strategy, expectation.bot.id)

    # From the schedules

    def advance(self, expectation: Expectation, now: datetime) -> None:
        """Find the next slot without a record; slots whose deadline has passed without a journal line are missed."""
        bot = expectation.bot
        expectation.calendar_error = ""
        try:
            while True:
                expectation.awaited = next_slot(bot.schedule, expectation.recorded_until)
                if expectation.awaited is None:
                    return
                if self._skip_recorded(
                    expectation, expectation.awaited, max(expectation.awaited, min(now, expectation.awaited + AT_ONCE))
                ):
                    continue
                if now >= bot.start_by(expectation.awaited) + WRITE_MARGIN:
                    until = now - WRITE_MARGIN - (bot.start_by(now) - now)
                    missed = SlotRecord(until, until, 1, "missed", NO_LINES, judged=True)
                    self._fill(expectation, expectation.recorded_until, until, missed)
                    expectation.recorded_until = until
                    self.mark_changed(bot.strategy, bot.id)
                else:
                    return
        except CalendarExpired as error:
            expectation.awaited, expectation.calendar_error = None, str(error)

    def _skip_recorded(self, expectation: Expectation, awaited: datetime, until: datetime) -> bool:
        """Go on behind the awaited slot, and the slots up to `until` that follow it, if they have records."""
        bot, has_record = expectation.bot, False
        following: Iterator[datetime] | None = None
        for record in self._store.slots.in_range(bot.strategy, bot.id, awaited, until):
            if record.last < awaited:
                continue  # it lies between two slots, as those of an old schedule do
            if record.first > awaited:
                break
            expectation.recorded_until, has_record = record.last, True
            following = following or slots_between(bot.schedule, awaited, until)
            later = next((slot for slot in following if slot > record.last), None)
            if later is None:
                break
            awaited = later
        return has_record

    def follow_clock(self, now: datetime) -> None:
        """Forget, once the clock is trusted, what a clock that was ahead has recorded of slots that are yet to come.

        If it jumps to where it was before, setting it back was the mistake: no slot of the time before is judged again.
        """
        seen = self._clock.check(now)
        if seen in {"back", "trusted"}:
            for strategy, bot in self.expectations:
                self.mark_changed(strategy, bot)  # judged again: the earlier clock was wrong
        match seen:
            case "ahead":
                for key, before in list(self._taken_back.items()):
                    if now >= before.recorded_until and (expectation := self.expectations.get(key)) is not None:
                        expectation.recorded_until = max(expectation.recorded_until, before.recorded_until)
                        expectation.stored = expectation.stored._replace(since=before.since)
                        del self._taken_back[key]
            case "trusted":
                self.last_lines.update({strategy: now for strategy, at in self.last_lines.items() if at > now})
                for key, expectation in self.expectations.items():
                    self._take_back(key, expectation, now)
                self.save_progress()

    def _take_back(self, key: tuple[str, str], expectation: Expectation, now: datetime) -> None:
        for record in self._store.slots.in_range(*key, now + AHEAD, _EVER):
            if record.run_id is None:  # what has run is not run again
                self._cut(*key, record, now + AHEAD, record.last)
        if max(expectation.recorded_until, expectation.since) > now:
            self._taken_back[key] = expectation.stored._replace(recorded_until=expectation.recorded_until)
            expectation.recorded_until = min(expectation.recorded_until, now)
            expectation.stored = expectation.stored._replace(since=min(expectation.since, now))

    def end_lost_runs(self, strategy: str, heartbeat: Heartbeat, now: datetime) -> None:
        """End the runs that the strategy's loop no longer names in its heartbeat and that have no run_end in the journal."""
        for run in self._store.runs.open(strategy):
            begun = run.attempt_at or run.slot
            if begun > now + AHEAD:
                begun = self._clock.since  # a clock that was ahead has dated it
            if run.bot not in heartbeat.running and begun + LOST_AFTER < heartbeat.timestamp <= now + AHEAD:
                lost = run._replace(outcome="interrupted", ended_at=heartbeat.timestamp, judged=True)
                self.record_run(strategy, lost, "its end is missing from the journal")

    def expectation_for(self, strategy: str, bot: str, slot: datetime) -> Expectation | None:
        """Return the bot's expectation if slots were expected of it at that time."""
        expectation = self.expectations.get((strategy, bot))
        return expectation if expectation is not None and slot > expectation.since else None

    def _log_fault(self, bot: Bot, slot: SlotRecord, why: str) -> None:
        """Add a bad slot or range to the log of faults: it may have recovered before the next snapshot."""
        if slot.outcome in BAD:
            expected = (
                f"a start by {stamp(bot.start_by(slot.last))}" if slot.outcome == "missed" else "a run that succeeds"
            )
            condition = Condition(slot.outcome, bot.strategy, bot.id, slot.first, why, expected, slot.count)
            self._store.add_fault(condition, slot.last)

    def _fill(
        self, expectation: Expectation, after: datetime, until: datetime, like: SlotRecord, *, log: bool = True
    ) -> None:
        """Store a record like `like` for all slots with after < slot <= until that have none, as few ranges as possible."""
        bot = expectation.bot
        for record in self._store.slots.in_range(bot.strategy, bot.id, after + MILLISECOND, until):
            self._put_range(bot, after, record.first - MILLISECOND, like, log=log)
            after = max(after, record.last)
        self._put_range(bot, after, until, like, log=log)

    def _put_range(self, bot: Bot, after: datetime, until: datetime, like: SlotRecord, *, log: bool = False) -> None:
        count = count_slots(bot.schedule, after, until) if until > after else 0
        first, last = (next_slot(bot.schedule, after), last_slot(bot.schedule, after, until)) if count else (None, None)
        if first is not None and last is not None:
            record = like._replace(first=first, last=last, count=count)
            self._store.slots.put(bot.strategy, bot.id, record)
            if log:
                self._log_fault(bot, record, why_not(record))

    def _cut(self, strategy: str, bot_id: str, record: SlotRecord, first: datetime, last: datetime) -> None:
        """Remove first..last from a record; the parts of a range before and after it stay."""
        self._store.slots.drop(strategy, bot_id, record)
        expectation = self.expectations.get((strategy, bot_id))
        if expectation is None or record.count == 1:
            return
        try:
            self._put_range(expectation.bot, record.first - MILLISECOND, min(first - MILLISECOND, record.last), record)
            self._put_range(expectation.bot, max(last, record.first - MILLISECOND), record.last, record)
        except CalendarExpired:
            pass  # the rest of the range cannot be computed


def _is_assigned(run: RunRecord, records: Iterable[SlotRecord]) -> bool:
    return any(record.run_id == run.run_id and record.count == 1 for record in records)
