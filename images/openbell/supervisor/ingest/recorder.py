"""The recorder: turns each journal line into records and passes them to the slot ledger and the store.

Reading a line twice changes nothing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta

from openbell.journal import Event
from openbell.supervisor.ingest import parse
from openbell.supervisor.ingest.slot_ledger import AHEAD, SlotLedger
from openbell.supervisor.model.conditions import Condition
from openbell.supervisor.model.records import (
    CRASH_WINDOW,
    CRASHES,
    AccountRecord,
    DecisionRecord,
    Finding,
    NoteRecord,
    RunRecord,
    ServiceEvent,
    SignalRecord,
    SlotRecord,
    crashes,
)
from openbell.supervisor.store.store import Store

FUTURE = timedelta(seconds=5)  # a line that is so much newer than now was written with a wrong clock
FUTURE_EVERY = timedelta(minutes=10)  # one report of such lines in this time is enough

_SKIPS = ("skipped", "missed")
_OUTCOMES = ("succeeded", "failed", "timed_out", "interrupted")
_NEWER = 'written by a newer version of openbell: "{outcome}"'
_ORDER_EVENTS = frozenset({"decision", "order", "order_cancel", "order_replace"})
_LOOP_EVENTS = ("service_start", "service_stop", "clock_stepped", "bot_paused", "request_refused")

BotRecord = DecisionRecord | SignalRecord | NoteRecord | AccountRecord

_PARSERS: Mapping[str, Callable[[Event], BotRecord | None]] = {
    "decision": parse.decision,
    "signal": parse.signal,
    "output": parse.note,
    "note": parse.note,
    "account": parse.account,
}


class LineRecorder:
    """Writes to the slot ledger and the store, in the transaction of its caller."""

    def __init__(self, ledger: SlotLedger, store: Store) -> None:
        self._ledger = ledger
        self._store = store
        self._future_reported: dict[str, datetime] = {}
        # Runs of which only the start was read: most end within the same batch, and are stored once. By strategy and id.
        self._begun: dict[tuple[str, str], RunRecord] = {}
        self._begun_slots: set[tuple[str, str, datetime]] = set()

    def record_all(self, strategy: str, lines: Sequence[Event], now: datetime, *, replayed: bool) -> int:
        """Store what new lines of a strategy's journal say; return how many of them could not be understood.

        replayed: they may have been written long before now, while the supervisor was not running.
        """
        self._store.runs.prepare(
            strategy, [parse.name(line, "run_id") for line in lines if line["event"] == "run_start"]
        )
        refused = sum(not self._record(strategy, line, now, replayed=replayed) for line in lines)
        self._flush()
        return refused

    def _flush(self) -> None:
        """Store the runs whose ends were not read yet."""
        self._begun_slots.clear()  # those of runs that have ended as well
        if not self._begun:
            return
        begun = list(self._begun.items())
        self._begun.clear()
        for (strategy, _), run in begun:
            self._ledger.record_run(strategy, run)

    def _record(self, strategy: str, line: Event, now: datetime, *, replayed: bool) -> bool:
        at = parse.at(line)
        if at is not None:
            self._record_time(strategy, line, at, now, replayed=replayed)
        event = line["event"]
        if event == "run_start":
            return self._run_start(strategy, line)
        if event == "run_end":
            return self._run_end(strategy, line)
        if event in _ORDER_EVENTS:
            self._record_order(strategy, line)
        if event in _PARSERS and (event != "decision" or parse.order_problem(line) is None):
            return self._add(strategy, _PARSERS[str(event)](line), line)
        self._flush()  # what it is about may be the slot of a run that has begun
        return self._record_other(strategy, line, now)

    def _record_other(self, strategy: str, line: Event, now: datetime) -> bool:
        match line["event"]:
            case "slot_skipped" if (last := parse.at(line, "slot")) is not None and last > now + AHEAD:
                # A clock that was ahead has passed over slots that are yet to come: they are still expected.
                report = ServiceEvent(now, "slots_from_future", parse.name(line, "boot_id"), parse.text(line, "slot"))
                return self._service(strategy, report, {**line, "event": report.event})
            case "slot_skipped":
                return self._skip(strategy, line)
            case "error" if line.get("stage") == "start":
                return self._error(strategy, line) and self._service(strategy, parse.service(line), line)
            case "error":
                return self._error(strategy, line)
            case "decision" | "order" if (problem := parse.order_problem(line)) is not None:
                known = line["event"] == "order" or self._add(strategy, parse.decision(line), line)
                return known and self._finding(strategy, problem, {**line, "event": problem.kind})
            case "stale_data" | "reconciled" | "symbol_unavailable":
                return self._finding(strategy, parse.finding(line), line)
            case event if event in _LOOP_EVENTS:
                return self._service(strategy, parse.service(line), line)
        return True

    def _record_order(self, strategy: str, line: Event) -> None:
        order = parse.order(line)
        if order is not None:
            self._store.orders.put(strategy, order)
            self._ledger.mark_changed(strategy, order.bot)

    def _record_time(self, strategy: str, line: Event, at: datetime, now: datetime, *, replayed: bool) -> None:
        newest = self._ledger.last_lines.get(strategy)
        if at <= now + FUTURE:
            if newest is None or at > newest:
                self._ledger.last_lines[strategy] = at
            return
        # Its own timestamp is wrong, so it was written just now, or, if it is replayed, after the line before it.
        written = newest if replayed and newest is not None else now
        if written - self._future_reported.get(strategy, written - FUTURE_EVERY) >= FUTURE_EVERY:
            self._future_reported[strategy] = written
            ahead = f"{(at - written).total_seconds():.1f}"
            report = ServiceEvent(written, "line_from_future", parse.name(line, "boot_id"), ahead)
            self._service(strategy, report, {**line, "event": report.event})

    def _add(self, strategy: str, record: BotRecord | None, line: Event) -> bool:
        if record is None:
            return False
        self._store.add(strategy, record, line)
        self._ledger.mark_changed(strategy, record.bot)
        return True

    def _run_start(self, strategy: str, line: Event) -> bool:
        at, slot, bot, run_id = _run_of(line)
        if at is None or slot is None or not bot or not run_id:
            return False
        known = self._begun.get((strategy, run_id)) or self._store.runs.get(strategy, run_id)
        if known is not None and known.outcome is not None and not known.judged:
            return True  # the line was read before
        attempt = parse.integer(line, "attempt", 1)
        if known is None:
            lateness = parse.number(line, "lateness_ms")
            run = RunRecord(run_id, bot, slot, parse.text(line, "trigger"), attempt, at, at, lateness)
            if (strategy, bot, slot) in self._begun_slots:
                self._flush()  # the run that came first has the slot
            self._begun[strategy, run_id] = run
            self._begun_slots.add((strategy, bot, slot))
            self._ledger.mark_changed(strategy, bot)
        else:
            if known.started_at is None:
                known = known._replace(started_at=at, lateness_ms=parse.number(line, "lateness_ms"))
            run = known._replace(attempt=max(known.attempt, attempt), attempt_at=at, outcome=None, judged=False)
            self._flush()
            self._ledger.record_run(strategy, run)
        self._check_slot(strategy, run, at)
        return True

    def _run_end(self, strategy: str, line: Event) -> bool:
        at, slot, bot, run_id = _run_of(line)
        if at is None or slot is None or not bot or not run_id:
            return False
        newer, outcome = "", parse.text(line, "outcome")
        if outcome not in _OUTCOMES:
            # The run has ended, and not in a way that this version could call bad.
            newer, outcome = _NEWER.format(outcome=outcome), "skipped"
        known = self._begun.pop((strategy, run_id), None)
        if known is None:
            self._flush()  # the slot may be that of a run that has begun
            known = self._store.runs.get(strategy, run_id)
        if known is not None and known.outcome is not None and not known.judged:
            return True  # the line was read before
        attempt = parse.integer(line, "attempt", 1)
        known = known or RunRecord(run_id, bot, slot, parse.text(line, "trigger"), attempt)
        # One of many: `_replace` takes longer.
        run = RunRecord(
            *(run_id, known.bot, known.slot, known.trigger, max(known.attempt, attempt)),
            *(known.started_at, known.attempt_at, known.lateness_ms, at, outcome),
            *(parse.number(line, "tick_duration_ms"), parse.integer(line, "orders", 0), known.error),
        )
        self._ledger.record_run(strategy, run, newer)
        self._check_slot(strategy, run, at)
        return True

    def _check_slot(self, strategy: str, run: RunRecord, at: datetime) -> None:
        """Report a run that has no slot, unless it was requested or the bot still runs its old schedule."""
        expectation = self._ledger.expectation_for(strategy, run.bot, run.slot)
        if expectation is None or expectation.bot.is_stream:
            if expectation is not None and run.outcome == "failed":
                reason = run.error or "its stream has failed"
                self._log_fault(Condition("stream_ended", strategy, run.bot, at, reason), at)
            return
        started = expectation.stored.started and run.outcome is None
        if started and run.trigger != "manual" and not expectation.is_slot(run.slot):
            finding = Finding(at, "unexpected_run", run.bot, run.slot, run.run_id, {"trigger": run.trigger})
            self._finding(strategy, finding, {"event": "unexpected_run", "run_id": run.run_id, "bot": run.bot})

    def _skip(self, strategy: str, line: Event) -> bool:
        last, bot, outcome = parse.at(line, "slot"), parse.name(line, "bot"), parse.text(line, "outcome") or "skipped"
        first = parse.at(line, "first") or last
        if first is None or last is None or first > last or not bot:
            return False
        reason = parse.text(line, "reason")
        if outcome not in _SKIPS:
            reason, outcome = _NEWER.format(outcome=outcome), "skipped"
        if paused_by := parse.text(line, "paused_by"):
            reason += f" by {paused_by}: {parse.text(line, 'pause_reason')}"
        self._ledger.record_skip(
            strategy, bot, SlotRecord(first, last, parse.integer(line, "count", 1), outcome, reason)
        )
        return True

    def _error(self, strategy: str, line: Event) -> bool:
        error = parse.error(line)
        if error is None:
            return False
        self._store.add(strategy, error, line)
        self._ledger.mark_changed(strategy, error.bot)
        run = self._store.runs.get(strategy, error.run_id)
        if run is not None and (run.outcome is None or not run.error):
            self._store.runs.put(strategy, run._replace(error=parse.one_line(error.error)))
        return True

    def _finding(self, strategy: str, finding: Finding | None, line: Event) -> bool:
        if finding is None:
            return False
        is_new = self._store.add_if_new(strategy, finding, line)
        self._ledger.mark_changed(strategy, finding.bot, findings=True)
        if finding.kind == "reconciled":
            self._ledger.mark_loop_changed(strategy)
        harmless = finding.kind == "reconciled" and not finding.detail.get("differences")
        if is_new and not harmless and self._is_watched(strategy, finding.at):
            kind, bot = ("broker_differs", "") if finding.kind == "reconciled" else (finding.kind, finding.bot)
            reason = ", ".join(f"{key}: {value}" for key, value in finding.detail.items())[:500]
            self._log_fault(Condition(kind, strategy, bot, finding.at, reason), finding.slot or finding.at)
        return True

    def _service(self, strategy: str, event: ServiceEvent | None, line: Event) -> bool:
        if event is None:
            return False
        is_new = self._store.add_if_new(strategy, event, line)
        self._ledger.mark_loop_changed(strategy)
        if event.event == "service_start":
            bots = line.get("bots")
            for bot in bots if isinstance(bots, list) else []:
                expectation = self._ledger.expectations.get((strategy, str(bot)))
                if expectation is not None and not expectation.stored.started:
                    self._ledger.record_first_start(expectation, event.at)
        if is_new and self._is_watched(strategy, event.at):
            self._log_loop_fault(strategy, event)
        return True

    def _log_loop_fault(self, strategy: str, event: ServiceEvent) -> None:
        if event.event == "start_failed":
            reason = f"cannot start: {parse.one_line(event.detail)}"
            self._log_fault(Condition("cannot_start", strategy, "", event.at, reason, "a start"), event.at)
        elif event.event == "service_start" and event.unclean:
            recent = [
                at for at in crashes(self._store.services(strategy, 20)) if event.at - CRASH_WINDOW < at <= event.at
            ]
            if len(recent) == CRASHES:
                reason = f"crash loop: {CRASHES} starts after a crash within a few minutes"
                condition = Condition("crash_loop", strategy, "", recent[-1], reason, "a loop that stays up", CRASHES)
                self._log_fault(condition, event.at)

    def _is_watched(self, strategy: str, at: datetime) -> bool:
        """Return whether the strategy was watched at an instant; faults from before that are not logged."""
        return any(at > one.since for (of, _), one in self._ledger.expectations.items() if of == strategy)

    def _log_fault(self, condition: Condition, last: datetime) -> None:
        self._store.add_fault(condition, last)


def _run_of(line: Event) -> tuple[datetime | None, datetime | None, str, str]:
    """Return the instant and the slot of a run's line, the bot and the run's id."""
    return parse.at(line), parse.at(line, "slot"), parse.name(line, "bot"), parse.name(line, "run_id")
