"""Slots that are due: queued to run, or passed over with their reason."""

from collections.abc import Iterable
from datetime import datetime

from openbell.ledger import Claim
from openbell.manifest import Bot
from openbell.runner.active import Active
from openbell.runner.decide import Skip, decide
from openbell.runner.loop_services import LoopParts
from openbell.runner.slot_job import SlotJob
from openbell.runner.slot_progress import OWED_FOR
from openbell.slots import count_slots, last_slot, next_slot


class DueSlots:
    """Gives the slots of one loop to its runs, and what does not run to the journal. trigger: what its runs are started by."""

    def __init__(self, parts: LoopParts, trigger: str) -> None:
        self._bots, self._runs, self._progress, self._unwritten, self._control = parts
        self._trigger = trigger

    def queue(self, bot: Bot, now: datetime) -> None:
        """Decide on the bot's slots that are due, and queue the one that is to run."""
        waiting = self._runs.of(bot.id)
        busy = waiting is not None and waiting.claimed
        decision = decide(bot, self._progress.decided[bot.id], now, busy=busy, pause=self._control.paused(bot.id))
        if waiting is not None and not waiting.claimed and decision.has_slots:
            # What still waits for room gives way to the newer slot: one run a bot, on the newest bars.
            self._pass_over(waiting, "coalesced", now)
        self._skip(decision.skips)
        if decision.skips:
            self._progress.decided[bot.id] = decision.skips[-1].last
        if decision.run is not None:
            self._progress.decided[bot.id] = decision.run
            claim = Claim(bot.id, decision.run, self._runs.id_of(bot, decision.run), 1, self._trigger, now)
            self._runs.queue(claim, bot)

    def queue_ahead(self, job: SlotJob) -> bool:
        """Queue the run of a slot that is due in a moment; False if there is more to decide when it is there."""
        bot, slot, due = job.bot, job.slot, job.due()
        if slot is None or self._runs.of(bot.id) is not None:
            return False
        pause = self._control.paused(bot.id)
        decision = decide(bot, self._progress.decided[bot.id], due, busy=False, pause=pause)
        if decision.skips or decision.run != slot:
            return False
        self._progress.decided[bot.id] = slot
        self._runs.queue(Claim(bot.id, slot, self._runs.id_of(bot, slot), 1, self._trigger, due), bot)
        return True

    def pass_over_late(self, now: datetime) -> None:
        """Pass over the slots that waited for room until their grace was over."""
        for waiting in self._runs.unclaimed():
            if now > waiting.bot.catch_up_by(waiting.claim.slot) and not waiting.may_start_late:
                self._pass_over(waiting, "late", now)
        self._unwritten.write_skips()

    def pass_over_rest(self, now: datetime) -> None:
        """Pass over all that is due by now, since the loop ends."""
        for bot in self._bots.values():
            busy = self._runs.of(bot.id) is not None
            pause = self._control.paused(bot.id)
            self._skip(decide(bot, self._progress.decided[bot.id], now, busy=busy, pause=pause, draining=True).skips)

    def pass_over_unknown(self, now: datetime, database_now: datetime) -> None:
        """Pass over all that is due by now, since it may have run: what the ledger knew of it may be lost.

        Of the two clocks the later one counts, unless the database's is ahead by more than slots are owed for.
        """
        now = max(now, database_now) if database_now <= now + OWED_FOR else now
        until = {}
        for bot_id, decided in self._progress.decided.items():
            bot = self._bots[bot_id]
            if bot.is_stream:
                continue
            first, last = next_slot(bot.schedule, decided), last_slot(bot.schedule, decided, now - bot.shift)
            if first is not None and last is not None:
                count = count_slots(bot.schedule, decided, last)
                self._skip([Skip(bot_id, first, last, count, "skipped", "unknown")])
                until[bot_id] = last
        self._progress.decide_unknown(until)

    def _pass_over(self, waiting: Active, reason: str, now: datetime) -> None:
        bot, slot = waiting.bot, waiting.claim.slot
        self._runs.drop(bot.id)
        if waiting.request is not None:
            self._unwritten.refuse(waiting.request, "a slot of this bot came due while the request waited for room")
            return
        late = now > bot.start_by(slot)
        self._skip([Skip(bot.id, slot, slot, 1, "missed" if late else "skipped", "late" if late else reason)])

    def _skip(self, skips: Iterable[Skip]) -> None:
        self._unwritten.skip(self._progress.unsettled(skips))
