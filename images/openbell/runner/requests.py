"""What people ask a loop for: runs, now or of a slot that has passed, and that it closes what its strategy holds."""

from datetime import datetime

from openbell.control import Request
from openbell.journal import BACKFILL
from openbell.ledger import Claim, Ledger
from openbell.runner.flattening import Flattening
from openbell.runner.loop_services import LoopParts
from openbell.runner.request_refusals import refusal, slot_refusal
from openbell.runner.runs import new_run_id


class Requests:
    """Takes each request of one loop once: it is obeyed, or refused in the journal."""

    def __init__(self, parts: LoopParts, ledger: Ledger, flattening: Flattening) -> None:
        self._bots, self._runs, self._progress, self._unwritten, self._control = parts
        self._ledger = ledger
        self._flattening = flattening
        self._version = -1

    def accept(self, now: datetime) -> bool:
        """Take the requests that have come; tell whether a run was queued."""
        version = self._control.requests_version()
        if version == self._version:
            return False
        queued = False
        for request in self._control.requests():
            # Remembered before it is obeyed: after a crash in between it does not run twice.
            self._control.done(request)
            reason = self._flattening.begin(request, now) if request.flatten else self._queue(request, now)
            if reason:
                self._unwritten.refuse(request, reason)
            elif not request.flatten:
                queued = True
        # The version from before the requests were read: one that came since changes it, and is read in the next step.
        self._version = version
        return queued

    def _queue(self, request: Request, now: datetime) -> str:
        """Queue the run; return why it is refused, empty if it is not."""
        bot = self._bots.get(request.bot)
        pause = self._control.paused(request.bot)
        busy = self._runs.of(request.bot) is not None
        reason = refusal(request, bot, now, busy=busy, pause=pause)
        if bot is None or reason:
            return reason
        if request.slot is not None:
            known = self._ledger.outcome_of(bot.id, request.slot)
            if reason := slot_refusal(bot, request.slot, self._progress.decided[bot.id], now, known):
                return reason
        trigger = "manual" if request.slot is None else BACKFILL
        claim = Claim(bot.id, request.slot or now, new_run_id(), 1, trigger, now)
        self._runs.queue(claim, bot, request=request)
        return ""
