"""The scribe: enters what the lines of the journals say, each into its place. Lines that come twice change nothing."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from openbell.journal import Event
from openbell.supervisor.ingest import parse
from openbell.supervisor.ingest.slot_ledger import SlotLedger, is_slot
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.crashes import CRASH_WINDOW, CRASHES, crashes
from openbell.supervisor.model.records import (
    AccountRecord,
    DecisionRecord,
    Finding,
    NoteRecord,
    RunRecord,
    ServiceEvent,
    SignalRecord,
    SlotRecord,
)
from openbell.supervisor.store.store import Store

FUTURE = timedelta(seconds=5)  # a line that is so much newer than now was written by a clock that is wrong
FUTURE_EVERY = timedelta(minutes=10)  # one of them tells it for so long

_SKIPS = ("skipped", "missed")
_OUTCOMES = ("succeeded", "failed", "timed_out", "interrupted")
_ABOUT_LOOPS = ("service_start", "service_stop", "clock_stepped", "bot_paused", "request_refused")

Said = DecisionRecord | SignalRecord | NoteRecord | AccountRecord

_SAID: Mapping[str, Callable[[Event], Said | None]] = {
    "decision": parse.decision,
    "signal": parse.signal,
    "output": parse.note,
    "note": parse.note,
    "account": parse.account,
}


class LineRecorder:
    """Writes into the book and the store. What it writes is one transaction with its caller's."""

    def __init__(self, book: SlotLedger, store: Store) -> None:
        self._book = book
        self._store = store
        self._future_told: dict[str, datetime] = {}

    def take(self, strategy: str, line: Event, now: datetime, *, replayed: bool) -> bool:
        """Enter one line of a strategy's journal; tell whether it could be understood.

        replayed: it may have been written long before now, while nobody watched.
        """
        self._hear(strategy, line, now, replayed=replayed)
        match line["event"]:
            case "run_start" | "run_end":
                return self._run(strategy, line)
            case "slot_skipped":
                return self._skip(strategy, line)
            case "error" if line.get("stage") == "start":
                return self._error(strategy, line) and self._service(strategy, parse.service(line), line)
            case "error":
                return self._error(strategy, line)
            case "stale_data" | "reconciled":
                return self._finding(strategy, parse.finding(line), line)
            case event if event in _ABOUT_LOOPS:
                return self._service(strategy, parse.service(line), line)
            case event if event in _SAID:
                return self._add(strategy, _SAID[str(event)](line), line)
        return True

    def _hear(self, strategy: str, line: Event, now: datetime, *, replayed: bool) -> None:
        at = parse.at(line)
        if at is None:
            return
        heard = self._book.heard.get(strategy)
        if at <= now + FUTURE:
            self._book.heard[strategy] = at if heard is None else max(heard, at)
            return
        # When it was written, it does not say itself: just now, or after the line before it.
        written = heard if replayed and heard is not None else now
        if written - self._future_told.get(strategy, written - FUTURE_EVERY) >= FUTURE_EVERY:
            self._future_told[strategy] = written
            ahead = f"{(at - written).total_seconds():.1f}"
            told = ServiceEvent(written, "line_from_future", parse.name(line, "boot_id"), ahead)
            self._service(strategy, told, {**line, "event": told.event})

    def _add(self, strategy: str, record: Said | None, line: Event) -> bool:
        if record is None:
            return False
        self._store.add(strategy, record, line)
        self._book.note(strategy, record.bot)
        return True

    def _run(self, strategy: str, line: Event) -> bool:
        at, slot = parse.at(line), parse.at(line, "slot")
        bot, run_id = parse.name(line, "bot"), parse.name(line, "run_id")
        outcome = parse.text(line, "outcome") if line["event"] == "run_end" else None
        if at is None or slot is None or not bot or not run_id or (outcome is not None and outcome not in _OUTCOMES):
            return False
        known = self._store.run(strategy, run_id)
        if known is not None and known.outcome is not None and not known.judged:
            return True  # a line that came twice
        attempt = parse.whole(line, "attempt", 1)
        run = known or RunRecord(run_id, bot, slot, parse.text(line, "trigger"), attempt)
        run = replace(run, attempt=max(run.attempt, attempt))
        if outcome is None:
            lateness = parse.number(line, "lateness_ms") if run.started_at is None else run.lateness_ms
            run = replace(
                run, started_at=run.started_at or at, attempt_at=at, lateness_ms=lateness, outcome=None, judged=False
            )
        else:
            duration, orders = parse.number(line, "tick_duration_ms"), parse.whole(line, "orders", 0)
            run = replace(run, ended_at=at, outcome=outcome, duration_ms=duration, orders=orders, judged=False)
        self._book.enter(strategy, run)
        self._look_at_slot(strategy, run, at)
        return True

    def _look_at_slot(self, strategy: str, run: RunRecord, at: datetime) -> None:
        """Tell of a run where no slot was, unless somebody has asked for it, or the bot still has its old schedule."""
        expectation = self._book.owes(strategy, run.bot, run.slot)
        if expectation is None or expectation.bot.is_stream:
            if expectation is not None and run.outcome == "failed":
                reason = run.error or "its stream has failed"
                self._log(Condition("stream_ended", strategy, run.bot, at, reason), at)
            return
        started = expectation.stored.started and run.outcome is None
        if started and run.trigger != "manual" and not is_slot(expectation.bot, run.slot):
            finding = Finding(at, "unexpected_run", run.bot, run.slot, run.run_id, {"trigger": run.trigger})
            self._finding(strategy, finding, {"event": "unexpected_run", "run_id": run.run_id, "bot": run.bot})

    def _skip(self, strategy: str, line: Event) -> bool:
        last, bot, outcome = parse.at(line, "slot"), parse.name(line, "bot"), parse.text(line, "outcome") or "skipped"
        first = parse.at(line, "first") or last
        if first is None or last is None or first > last or not bot or outcome not in _SKIPS:
            return False
        reason = parse.text(line, "reason")
        if paused_by := parse.text(line, "paused_by"):
            reason += f" by {paused_by}: {parse.text(line, 'pause_reason')}"
        self._book.skip(strategy, bot, SlotRecord(first, last, parse.whole(line, "count", 1), outcome, reason))
        return True

    def _error(self, strategy: str, line: Event) -> bool:
        error = parse.error(line)
        if error is None:
            return False
        self._store.add(strategy, error, line)
        self._book.note(strategy, error.bot)
        run = self._store.run(strategy, error.run_id)
        if run is not None and (run.outcome is None or not run.error):
            self._store.put_run(strategy, replace(run, error=parse.last_line(error.error)))
        return True

    def _finding(self, strategy: str, finding: Finding | None, line: Event) -> bool:
        if finding is None:
            return False
        is_new = self._store.add(strategy, finding, line)
        self._book.note(strategy, finding.bot, found=True)
        if finding.kind == "reconciled":
            self._book.note_loop(strategy)
        harmless = finding.kind == "reconciled" and not finding.detail.get("differences")
        if is_new and not harmless and self._is_watched(strategy, finding.at):
            kind, bot = ("broker_differs", "") if finding.kind == "reconciled" else (finding.kind, finding.bot)
            reason = ", ".join(f"{key}: {value}" for key, value in finding.detail.items())[:500]
            self._log(Condition(kind, strategy, bot, finding.at, reason), finding.slot or finding.at)
        return True

    def _service(self, strategy: str, event: ServiceEvent | None, line: Event) -> bool:
        if event is None:
            return False
        is_new = self._store.add(strategy, event, line)
        self._book.note_loop(strategy)
        if event.event == "service_start":
            bots = line.get("bots")
            for bot in bots if isinstance(bots, list) else []:
                expectation = self._book.expectations.get((strategy, str(bot)))
                if expectation is not None and not expectation.stored.started:
                    self._book.first_start(expectation, event.at)
        if is_new and self._is_watched(strategy, event.at):
            self._log_loop(strategy, event)
        return True

    def _log_loop(self, strategy: str, event: ServiceEvent) -> None:
        if event.event == "start_failed":
            reason = f"cannot start: {parse.last_line(event.detail)}"
            self._log(Condition("cannot_start", strategy, "", event.at, reason, "a start"), event.at)
        elif event.event == "service_start" and event.unclean:
            recent = [
                at for at in crashes(self._store.services(strategy, 20)) if event.at - CRASH_WINDOW < at <= event.at
            ]
            if len(recent) == CRASHES:
                reason = f"crash loop: {CRASHES} starts after a crash within a few minutes"
                condition = Condition("crash_loop", strategy, "", recent[-1], reason, "a loop that stays up", CRASHES)
                self._log(condition, event.at)

    def _is_watched(self, strategy: str, at: datetime) -> bool:
        """Tell whether anything was expected of the strategy at an instant: what is older was nobody's to tell."""
        return any(at > one.since for (of, _), one in self._book.expectations.items() if of == strategy)

    def _log(self, condition: Condition, last: datetime) -> None:
        self._store.add_fault(condition, last)
