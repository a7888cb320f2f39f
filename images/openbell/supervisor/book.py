"""The book: what the journals say and what the slots demand become one outcome for each expected slot.

A run is bound to its own slot, never to the nearest. A slot of which the journal says nothing in time is missed; should
a run of it turn up later after all (catch_up, a corrected clock, a journal that was out of reach), the run's own
outcome takes its place. Lines that come twice change nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from openbell.beat import Beat
from openbell.calendars import CalendarExpired
from openbell.journal import Event
from openbell.manifest import Bot
from openbell.slots import count_slots, last_slot, next_slot
from openbell.supervisor import lines
from openbell.supervisor.records import Expected, RunRecord, SlotRecord
from openbell.supervisor.store import Store

SETTLING = timedelta(seconds=1)  # after the last instant at which a run may start, for its first line to be written
LOST_AFTER = timedelta(seconds=60)  # a run that its loop no longer has, and whose end has not come by then, has lost it
_TICK = timedelta(milliseconds=1)
_SKIPS = ("skipped", "missed")
_OUTCOMES = ("succeeded", "failed", "timed_out", "interrupted")


@dataclass
class Expectation:
    """What is expected of one bot: the mutable side of `Expected`, and the slot that is waited for."""

    bot: Bot
    stored: Expected
    settled_until: datetime
    awaited: datetime | None = None  # the first slot without a record, to come or due
    trouble: str = ""  # why its slots cannot be known (a calendar that has run out)

    @property
    def since(self) -> datetime:
        """From when on slots are expected."""
        return self.stored.since

    @property
    def deadline(self) -> datetime | None:
        """When the awaited slot is missed."""
        return None if self.awaited is None else self.bot.start_by(self.awaited) + SETTLING


class Book:
    """Keeps the store's slots, runs, decisions and errors. What it writes is one transaction with its caller's."""

    def __init__(self, store: Store, bots: Iterable[Bot], unknown: Iterable[str], now: datetime) -> None:
        """Begin with the bots that the manifests name; of the strategies in `unknown` the manifest cannot be read."""
        self._store = store
        self.expectations = {(bot.strategy, bot.id): _expectation(bot, now) for bot in bots}
        self.changed: set[tuple[str, str]] = set()  # bots whose records have changed since this was last cleared
        self.services_changed: set[str] = set()  # strategies with news of their loop, likewise
        without_manifest = frozenset(unknown)
        for stored in store.expected():
            known = self.expectations.get((stored.strategy, stored.bot))
            if known is None and stored.strategy not in without_manifest:
                # Should the bot come back one day, nothing was expected of it in between.
                store.expect_no_more(stored.strategy, stored.bot)
            elif known is not None and known.stored.schedule == stored.schedule:
                known.stored, known.settled_until = stored, stored.settled_until
        self.keep_progress()

    def keep_progress(self) -> None:
        """Store up to where slots are settled. Not after each slot: what was settled twice is settled the same."""
        for expectation in self.expectations.values():
            expectation.stored = replace(expectation.stored, settled_until=expectation.settled_until)
            self._store.expect(expectation.stored)

    # What the journals say

    def take(self, strategy: str, line: Event) -> bool:
        """Enter one line of a strategy's journal; tell whether it could be understood."""
        match line["event"]:
            case "run_start" | "run_end":
                return self._take_run(strategy, line)
            case "slot_skipped":
                return self._take_skip(strategy, line)
            case "error" if line.get("stage") == "start":
                return self._take_error(strategy, line) and self._take_service(strategy, line)
            case "error":
                return self._take_error(strategy, line)
            case "decision":
                return self._take_decision(strategy, line)
            case "service_start" | "service_stop" | "clock_stepped" | "bot_paused" | "request_refused":
                return self._take_service(strategy, line)
        return True  # signals, notes and output are the strategy page's affair, which does not show them yet

    def _take_run(self, strategy: str, line: Event) -> bool:
        at, slot, bot, run_id = (
            lines.at(line),
            lines.at(line, "slot"),
            lines.name(line, "bot"),
            lines.name(line, "run_id"),
        )
        outcome = lines.text(line, "outcome") if line["event"] == "run_end" else None
        if at is None or slot is None or not bot or not run_id or (outcome is not None and outcome not in _OUTCOMES):
            return False
        known = self._store.run(strategy, run_id)
        if known is not None and known.outcome is not None and not known.judged:
            return True  # a line that came twice
        attempt = lines.whole(line, "attempt", 1)
        run = known or RunRecord(run_id, bot, slot, lines.text(line, "trigger"), attempt)
        run = replace(run, attempt=max(run.attempt, attempt))
        if outcome is None:
            lateness = lines.number(line, "lateness_ms") if run.started_at is None else run.lateness_ms
            run = replace(
                run, started_at=run.started_at or at, attempt_at=at, lateness_ms=lateness, outcome=None, judged=False
            )
        else:
            duration, orders = lines.number(line, "tick_duration_ms"), lines.whole(line, "orders", 0)
            run = replace(run, ended_at=at, outcome=outcome, duration_ms=duration, orders=orders, judged=False)
        self._enter(strategy, run)
        return True

    def _enter(self, strategy: str, run: RunRecord, reason: str = "") -> None:
        self._store.put_run(strategy, run)
        self.changed.add((strategy, run.bot))
        if run.trigger != "manual":
            self._bind(strategy, run, reason)

    def _bind(self, strategy: str, run: RunRecord, reason: str) -> None:
        expectation = self._owes(strategy, run.bot, run.slot)
        if expectation is not None and not _is_slot(expectation.bot, run.slot):
            return  # a run for no slot (of an old schedule, on a holiday): shown among the runs, settles nothing
        for record in self._store.slots_within(strategy, run.bot, run.slot, run.slot):
            if record.run_id not in {None, run.run_id}:
                return  # the slot has its run
            self._cut(strategy, run.bot, record, run.slot, run.slot)
        started = run.started_at or run.slot
        late = expectation is not None and started > expectation.bot.start_by(run.slot)
        record = SlotRecord(run.slot, run.slot, 1, run.outcome, reason, late, run.judged, run.run_id)
        self._store.put_slot(strategy, run.bot, record)

    def _take_skip(self, strategy: str, line: Event) -> bool:
        last, bot, outcome = lines.at(line, "slot"), lines.name(line, "bot"), lines.text(line, "outcome") or "skipped"
        first = lines.at(line, "first") or last
        if first is None or last is None or first > last or not bot or outcome not in _SKIPS:
            return False
        reason = lines.text(line, "reason")
        if paused_by := lines.text(line, "paused_by"):
            reason += f" by {paused_by}: {lines.text(line, 'pause_reason')}"
        self.changed.add((strategy, bot))
        for record in self._store.slots_within(strategy, bot, first, last):
            if record.run_id is None:
                self._cut(strategy, bot, record, first, last)
        skip = SlotRecord(first, last, lines.whole(line, "count", 1), outcome, reason)
        expectation = self._owes(strategy, bot, last)
        try:
            if expectation is not None:
                self._fill(expectation, first - _TICK, last, skip)
                return True
        except CalendarExpired:
            pass  # the runner's calendar reaches further than ours: its word stands
        self._store.put_slot(strategy, bot, skip)
        return True

    def _take_error(self, strategy: str, line: Event) -> bool:
        error = lines.error(line)
        if error is None:
            return False
        self._store.add_error(strategy, error, line)
        self.changed.add((strategy, error.bot))
        run = self._store.run(strategy, error.run_id)
        if run is not None and (run.outcome is None or not run.error):
            self._store.put_run(strategy, replace(run, error=lines.last_line(error.error)))
        return True

    def _take_decision(self, strategy: str, line: Event) -> bool:
        decision = lines.decision(line)
        if decision is None:
            return False
        self._store.add_decision(strategy, decision, line)
        self.changed.add((strategy, decision.bot))
        return True

    def _take_service(self, strategy: str, line: Event) -> bool:
        event = lines.service(line)
        if event is None:
            return False
        self._store.add_service(strategy, event, line)
        self.services_changed.add(strategy)
        if event.event == "service_start":
            bots = line.get("bots")
            for bot in bots if isinstance(bots, list) else []:
                expectation = self.expectations.get((strategy, str(bot)))
                if expectation is not None and not expectation.stored.started:
                    self._first_start(expectation, event.at)
        return True

    def _first_start(self, expectation: Expectation, at: datetime) -> None:
        # A new bot is expected from its deployment on, which is not over before its container starts, unless that took
        # so long that a slot was missed meanwhile. Its own loop owes nothing of the time before its start either.
        since = expectation.since
        if since < at and expectation.settled_until == since:
            due = next_slot(expectation.bot.schedule, since)
            if due is None or at <= expectation.bot.start_by(due):
                expectation.settled_until = since = at
        expectation.stored = replace(
            expectation.stored, since=since, settled_until=expectation.settled_until, started=True
        )
        self._store.expect(expectation.stored)
        self.changed.add((expectation.bot.strategy, expectation.bot.id))

    # What the slots demand

    def advance(self, expectation: Expectation, now: datetime) -> None:
        """Find the slot that is waited for; those whose time is over without a word in the journal are missed."""
        bot = expectation.bot
        expectation.trouble = ""
        try:
            while True:
                expectation.awaited = next_slot(bot.schedule, expectation.settled_until)
                if expectation.awaited is None:
                    return
                records = self._store.slots_within(bot.strategy, bot.id, expectation.awaited, expectation.awaited)
                if records:
                    expectation.settled_until = max(record.last for record in records)
                elif now >= bot.start_by(expectation.awaited) + SETTLING:
                    until = now - SETTLING - (bot.start_by(now) - now)
                    missed = SlotRecord(until, until, 1, "missed", "nothing in the journal", judged=True)
                    self._fill(expectation, expectation.settled_until, until, missed)
                    expectation.settled_until = until
                    self.changed.add((bot.strategy, bot.id))
                else:
                    return
        except CalendarExpired as error:
            expectation.awaited, expectation.trouble = None, str(error)

    def settle_lost(self, strategy: str, beat: Beat) -> None:
        """End the runs that the strategy's loop no longer has, and whose end is nowhere in the journal."""
        for run in self._store.open_runs(strategy):
            begun = run.attempt_at or run.slot
            if run.bot not in beat.running and beat.timestamp > begun + LOST_AFTER:
                lost = replace(run, outcome="interrupted", ended_at=beat.timestamp, judged=True)
                self._enter(strategy, lost, "its end is missing from the journal")

    def _owes(self, strategy: str, bot: str, slot: datetime) -> Expectation | None:
        """Return the bot's expectation if the slot lies in its time."""
        expectation = self.expectations.get((strategy, bot))
        return expectation if expectation is not None and slot > expectation.since else None

    def _fill(self, expectation: Expectation, after: datetime, until: datetime, like: SlotRecord) -> None:
        """Give all slots with after < slot <= until that have no record one like `like`, as few ranges."""
        bot = expectation.bot
        for record in self._store.slots_within(bot.strategy, bot.id, after + _TICK, until):
            self._put_range(bot, after, record.first - _TICK, like)
            after = max(after, record.last)
        self._put_range(bot, after, until, like)

    def _put_range(self, bot: Bot, after: datetime, until: datetime, like: SlotRecord) -> None:
        count = count_slots(bot.schedule, after, until) if until > after else 0
        first, last = (next_slot(bot.schedule, after), last_slot(bot.schedule, after, until)) if count else (None, None)
        if first is not None and last is not None:
            self._store.put_slot(bot.strategy, bot.id, replace(like, first=first, last=last, count=count))

    def _cut(self, strategy: str, bot_id: str, record: SlotRecord, first: datetime, last: datetime) -> None:
        """Take first..last out of a record; what is left of a range on either side stays."""
        self._store.drop_slot(strategy, bot_id, record)
        expectation = self.expectations.get((strategy, bot_id))
        if expectation is None or record.count == 1:
            return
        try:
            self._put_range(expectation.bot, record.first - _TICK, min(first - _TICK, record.last), record)
            self._put_range(expectation.bot, max(last, record.first - _TICK), record.last, record)
        except CalendarExpired:
            pass  # nobody can say what else was in the range


def _expectation(bot: Bot, now: datetime) -> Expectation:
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return Expectation(bot, Expected(bot.strategy, bot.id, repr(bot.schedule), now, now), now)


def _is_slot(bot: Bot, slot: datetime) -> bool:
    try:
        return next_slot(bot.schedule, slot - _TICK) == slot
    except CalendarExpired:
        return True  # who can tell
