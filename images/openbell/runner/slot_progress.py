"""Up to where the slots of each bot are decided on and have their outcome, also after the clock was set."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime, timedelta
from itertools import pairwise

from openbell.ledger import Ledger
from openbell.manifest import Bot
from openbell.records import replace
from openbell.runner.decide import Skip
from openbell.slots import count_slots, last_slot, next_slot

TICK = timedelta(microseconds=1)
OWED_FOR = timedelta(days=1)  # for so long slots are owed when it is unknown which were decided on
TRUSTED = 300.0  # seconds after which a clock that was set back counts as right, unless it is set ahead again
REPLAYED = timedelta(seconds=60)  # of a clock that is set back by no more than this, all slots are told already


class SlotProgress:
    """What a loop has done about the slots of its bots."""

    def __init__(self, bots: Mapping[str, Bot], ledger: Ledger) -> None:
        self._bots = bots
        self._ledger = ledger
        self.decided: dict[str, datetime] = {}  # per bot: slots up to here are decided on
        # Per bot: slots up to here have their outcome. Later than `decided` only after the clock was set back: then
        # such a slot may still run, but is not passed over a second time.
        self._settled: dict[str, datetime] = {}
        # Per bot: slots up to here were accounted for when the clock was set back, and are no more.
        self._replayed: dict[str, datetime] = {}
        # Per bot: slots up to here may have run, and have no claim, since the database has lost commits.
        self._unknown: dict[str, datetime] = {}
        self._trusted_at = float("-inf")  # elapsed seconds
        self._set_back: dict[str, datetime] = {}  # per bot: from here on slots are owed; not yet in the ledger

    def begin(self, now: datetime, steady: float, *, reach_back: bool) -> None:
        """Take up where the loop before left off.

        reach_back: a new bot owes the slots that are still within their grace.
        """
        accounted: list[tuple[str, datetime]] = []
        schedules: dict[str, str] = {}
        for bot in self._bots.values():
            until = self._ledger.accounted_until(bot.id)
            fact, meaning = f"schedule of {bot.id}", repr(bot.schedule)
            if until is not None and until > now + REPLAYED:
                # The clock was ahead when this was written. What has really been decided is known by the claims.
                self._replayed[bot.id] = until
                until = max(self._ledger.newest_claim(bot.id, now) or now, now - OWED_FOR)
                self._ledger.account_back([(bot.id, until)])
                self._trusted_at = steady + TRUSTED
            # A new bot, or one with a new schedule, owes no slot of the time before.
            if until is None or self._ledger.fact(fact) != meaning:
                until = now - bot.shift - bot.grace - TICK if reach_back else now
                accounted.append((bot.id, until))
                schedules[fact] = meaning
            if unknown := self._ledger.fact(_unknown(bot.id)):
                self._unknown[bot.id] = datetime.fromisoformat(unknown)
            self._settled[bot.id] = self._not_before_unknown(bot.id, until, now)
            # It is later than now if the clock was ahead.
            self.decided[bot.id] = self._not_before_unknown(bot.id, min(until, now), now)
        if accounted:  # in one step each: on a slow disk a step takes a second
            self._ledger.account(accounted)
            self._ledger.remember_all(schedules)

    def decide_unknown(self, until: Mapping[str, datetime]) -> None:
        """Keep, per bot, that slots up to here may have run: none of them runs when the clock shows its time once more."""
        self._ledger.remember_all({_unknown(bot_id): last.isoformat() for bot_id, last in until.items()})
        self._unknown |= until
        self.decided |= until

    def _not_before_unknown(self, bot_id: str, at: datetime, now: datetime) -> datetime:
        """Return an instant up to which slots are decided on, or the last that may have run; one far ahead is a wrong clock's."""
        unknown = self._unknown.get(bot_id, at)
        return max(at, unknown) if unknown <= now + OWED_FOR else at

    def unsettled(self, skips: Iterable[Skip]) -> Iterator[Skip]:
        """Yield the skips without the slots that have their outcome already, from when the clock was ahead."""
        for skip in self._without_claimed(skips):
            settled = self._settled[skip.bot]
            if skip.first > settled:
                yield skip
            elif skip.last > settled:
                schedule = self._bots[skip.bot].schedule
                first, count = next_slot(schedule, settled), count_slots(schedule, settled, skip.last)
                yield replace(skip, first=first or skip.last, count=count)

    def _without_claimed(self, skips: Iterable[Skip]) -> Iterator[Skip]:
        """Yield skips without the slots that have run already, while the clock was ahead."""
        for skip in skips:
            ran = self._ledger.claimed_slots(skip.bot, skip.first, skip.last)
            if not ran:
                yield skip
                continue
            schedule = self._bots[skip.bot].schedule
            for start, end in pairwise([skip.first - TICK, *ran, skip.last]):
                until = end - TICK if end in ran else end
                first, last = next_slot(schedule, start), last_slot(schedule, start, until)
                if first is not None and last is not None and first <= last:
                    yield replace(skip, first=first, last=last, count=count_slots(schedule, start, until))

    def set_ahead(self, now: datetime, steady: float) -> None:
        """Account again for what was accounted for before the clock was set back, if that was the mistake."""
        if steady < self._trusted_at:
            for bot_id, replayed in self._replayed.items():
                self._settled[bot_id] = max(self._settled[bot_id], min(replayed, now))

    def set_back(self, now: datetime, steady: float, is_open: Callable[[str], bool]) -> None:
        """Let slots that a clock set too far ahead made us pass over come due after all; what has run stays claimed.

        is_open: tells of a bot whether its newest slot waits and is not claimed.
        """
        for bot_id, decided in self.decided.items():
            settled = max(self._settled[bot_id], decided - TICK if is_open(bot_id) else decided)
            if settled > now + REPLAYED:
                # Slots that are yet to come are not accounted for: what will not run of them then is to be told.
                self._replayed[bot_id] = max(settled, self._replayed.get(bot_id, settled))
                settled = self._not_before_unknown(bot_id, now, now)
                self._set_back[bot_id] = settled
                self._trusted_at = steady + TRUSTED
            self._settled[bot_id] = settled
            self.decided[bot_id] = self._not_before_unknown(bot_id, min(decided, now), now)

    def write_set_back(self) -> None:
        """Tell the ledger which slots are owed again."""
        if self._set_back:
            self._ledger.account_back(self._set_back.items())
            self._set_back.clear()


def _unknown(bot_id: str) -> str:
    return f"unknown slots of {bot_id}"
