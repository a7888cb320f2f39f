"""The book: what the journals say and what the slots demand become one outcome for each expected slot.

A run is bound to its own slot, never to the nearest. A slot of which the journal says nothing in time is missed; should
a run of it turn up later after all (catch_up, a corrected clock, a journal that was out of reach), the run's own
outcome takes its place. Lines that come twice change nothing.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from openbell.calendars import CalendarExpired
from openbell.heartbeat import Heartbeat
from openbell.journal import stamp
from openbell.manifest import Bot
from openbell.slots import count_slots, last_slot, next_slot
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.instants import TICK
from openbell.supervisor.model.records import Expected, RunRecord, SlotRecord, why_not
from openbell.supervisor.store.store import Store

SETTLING = timedelta(seconds=1)  # after the last instant at which a run may start, for its first line to be written
LOST_AFTER = timedelta(seconds=60)  # a run that its loop no longer has, and whose end has not come by then, has lost it
HEARD = "heard "
UNHEARD = "nothing in the journal"
BAD = frozenset({"missed", "failed", "timed_out", "interrupted"})


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


class SlotLedger:
    """Keeps the store's slots, runs, decisions and errors. What it writes is one transaction with its caller's."""

    def __init__(self, store: Store, bots: Iterable[Bot], unknown: Iterable[str], now: datetime) -> None:
        """Begin with the bots that the manifests name; of the strategies in `unknown` the manifest cannot be read."""
        self._store = store
        self.expectations = {(bot.strategy, bot.id): _expectation(bot, now) for bot in bots}
        self.changed: set[tuple[str, str]] = set()  # bots whose records have changed since this was last cleared
        self.found: set[tuple[str, str]] = set()  # bots with new findings, likewise
        self.touched: set[str] = set()  # strategies with news of any sort, likewise
        self.services_changed: set[str] = set()  # strategies with news of their loop, likewise
        self.heard = store.marks(HEARD)  # when the newest line of each strategy's journal was written
        without_manifest = frozenset(unknown)
        for stored in store.expected():
            known = self.expectations.get((stored.strategy, stored.bot))
            if known is None and stored.strategy not in without_manifest:
                # Should the bot come back one day, nothing was expected of it in between.
                store.expect_no_more(stored.strategy, stored.bot)
            elif known is not None and known.stored.schedule == stored.schedule:
                known.stored, known.settled_until = stored, stored.settled_until
        self.keep_progress()

    def note(self, strategy: str, bot: str, *, found: bool = False) -> None:
        """Note that there are new records of a bot; found: findings too."""
        self.changed.add((strategy, bot))
        self.touched.add(strategy)
        if found:
            self.found.add((strategy, bot))

    def note_loop(self, strategy: str) -> None:
        """Note that there is news of a strategy's loop."""
        self.services_changed.add(strategy)
        self.touched.add(strategy)

    def forget_news(self) -> None:
        """Begin to collect news anew."""
        self.changed.clear()
        self.found.clear()
        self.services_changed.clear()
        self.touched.clear()

    def keep_progress(self) -> None:
        """Store up to where slots are settled. Not after each slot: what was settled twice is settled the same."""
        for expectation in self.expectations.values():
            expectation.stored = replace(expectation.stored, settled_until=expectation.settled_until)
            self._store.expect(expectation.stored)

    def timeout(self, strategy: str, bot: str) -> timedelta | None:
        """Return how long a run of the bot may take; None for a bot that is not known, or a stream."""
        expectation = self.expectations.get((strategy, bot))
        return None if expectation is None or expectation.bot.is_stream else expectation.bot.timeout

    # What runs and skips say

    def enter(self, strategy: str, run: RunRecord, reason: str = "") -> None:
        """Enter a run, or what is new of it; its slot gets its outcome."""
        self._store.put_run(strategy, run)
        self.note(strategy, run.bot)
        if run.trigger not in {"manual", "stream"}:
            self._bind(strategy, run, reason)

    def _bind(self, strategy: str, run: RunRecord, reason: str) -> None:
        expectation = self.owes(strategy, run.bot, run.slot)
        if expectation is not None and not is_slot(expectation.bot, run.slot):
            return  # a run for no slot (of an old schedule, on a holiday): shown among the runs, settles nothing
        before = None
        for record in self._store.slots_within(strategy, run.bot, run.slot, run.slot):
            if record.run_id not in {None, run.run_id}:
                return  # the slot has its run
            before = record.outcome
            self._cut(strategy, run.bot, record, run.slot, run.slot)
        started = run.started_at or run.slot
        late = expectation is not None and started > expectation.bot.start_by(run.slot)
        record = SlotRecord(run.slot, run.slot, 1, run.outcome, reason, late, run.judged, run.run_id)
        self._store.put_slot(strategy, run.bot, record)
        if expectation is not None and run.outcome != before:
            self._log(expectation.bot, record, run.error or reason)

    def skip(self, strategy: str, bot: str, skip: SlotRecord) -> None:
        """Enter that the bot's loop has passed over a slot or a range; a slot that has its run keeps it."""
        self.note(strategy, bot)
        known = False
        for record in self._store.slots_within(strategy, bot, skip.first, skip.last):
            if record.run_id is None:
                known = known or record.outcome == skip.outcome
                self._cut(strategy, bot, record, skip.first, skip.last)
        expectation = self.owes(strategy, bot, skip.last)
        try:
            if expectation is not None:
                self._fill(expectation, skip.first - TICK, skip.last, skip, log=not known)
                return
        except CalendarExpired:
            pass  # the runner's calendar reaches further than ours: its word stands
        self._store.put_slot(strategy, bot, skip)

    def first_start(self, expectation: Expectation, at: datetime) -> None:
        """Enter that the bot's container was seen to start for the first time."""
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
        self.note(expectation.bot.strategy, expectation.bot.id)

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
                    missed = SlotRecord(until, until, 1, "missed", UNHEARD, judged=True)
                    self._fill(expectation, expectation.settled_until, until, missed)
                    expectation.settled_until = until
                    self.note(bot.strategy, bot.id)
                else:
                    return
        except CalendarExpired as error:
            expectation.awaited, expectation.trouble = None, str(error)

    def settle_lost(self, strategy: str, beat: Heartbeat) -> None:
        """End the runs that the strategy's loop no longer has, and whose end is nowhere in the journal."""
        for run in self._store.open_runs(strategy):
            begun = run.attempt_at or run.slot
            if run.bot not in beat.running and beat.timestamp > begun + LOST_AFTER:
                lost = replace(run, outcome="interrupted", ended_at=beat.timestamp, judged=True)
                self.enter(strategy, lost, "its end is missing from the journal")

    def owes(self, strategy: str, bot: str, slot: datetime) -> Expectation | None:
        """Return the bot's expectation if the slot lies in its time."""
        expectation = self.expectations.get((strategy, bot))
        return expectation if expectation is not None and slot > expectation.since else None

    def _log(self, bot: Bot, slot: SlotRecord, why: str) -> None:
        """Log a slot or a range that went wrong: it may be mended before anybody has looked."""
        if slot.outcome in BAD:
            expected = (
                f"a start by {stamp(bot.start_by(slot.last))}" if slot.outcome == "missed" else "a run that succeeds"
            )
            condition = Condition(slot.outcome, bot.strategy, bot.id, slot.first, why, expected, slot.count)
            self._store.add_fault(condition, slot.last)

    def _fill(
        self, expectation: Expectation, after: datetime, until: datetime, like: SlotRecord, *, log: bool = True
    ) -> None:
        """Give all slots with after < slot <= until that have no record one like `like`, as few ranges."""
        bot = expectation.bot
        for record in self._store.slots_within(bot.strategy, bot.id, after + TICK, until):
            self._put_range(bot, after, record.first - TICK, like, log=log)
            after = max(after, record.last)
        self._put_range(bot, after, until, like, log=log)

    def _put_range(self, bot: Bot, after: datetime, until: datetime, like: SlotRecord, *, log: bool = False) -> None:
        count = count_slots(bot.schedule, after, until) if until > after else 0
        first, last = (next_slot(bot.schedule, after), last_slot(bot.schedule, after, until)) if count else (None, None)
        if first is not None and last is not None:
            record = replace(like, first=first, last=last, count=count)
            self._store.put_slot(bot.strategy, bot.id, record)
            if log:
                self._log(bot, record, why_not(record))

    def _cut(self, strategy: str, bot_id: str, record: SlotRecord, first: datetime, last: datetime) -> None:
        """Take first..last out of a record; what is left of a range on either side stays."""
        self._store.drop_slot(strategy, bot_id, record)
        expectation = self.expectations.get((strategy, bot_id))
        if expectation is None or record.count == 1:
            return
        try:
            self._put_range(expectation.bot, record.first - TICK, min(first - TICK, record.last), record)
            self._put_range(expectation.bot, max(last, record.first - TICK), record.last, record)
        except CalendarExpired:
            pass  # nobody can say what else was in the range


def _expectation(bot: Bot, now: datetime) -> Expectation:
    now = now.replace(microsecond=now.microsecond // 1000 * 1000)
    return Expectation(bot, Expected(bot.strategy, bot.id, repr(bot.schedule), now, now), now)


def is_slot(bot: Bot, slot: datetime) -> bool:
    """Tell whether a bot is due at an instant; yes if nobody can tell."""
    try:
        return next_slot(bot.schedule, slot - TICK) == slot
    except CalendarExpired:
        return True
