"""Counters: totals of slots, runs, lateness and durations that only ever grow, for the metrics.

The store changes them in the transaction of the records that they count: a crash neither loses nor repeats anything, and
they outlive the records, which are pruned. A slot that changes its outcome later (missed, and run after all) is counted
under its new outcome from then on; one that only changes its reason (late, then unheard) stays counted under the first.
A total that was shown once never falls, as Prometheus requires of a counter.
"""

import sqlite3
from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field

from openbell.supervisor.model.records import RunRecord, SlotRecord

LATENESS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0)  # seconds
DURATION = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TRIGGERS = frozenset({"loop", "manual", "backfill", "stream", "cron", "serverless"})
# What is observed: the bounds of its buckets, and their labels.
_BUCKETS = {
    name: (bounds, (*map(str, bounds), "+Inf")) for name, bounds in (("lateness", LATENESS), ("duration", DURATION))
}
_NOT_LATE = frozenset({"manual", "backfill", "stream"})  # what has no slot to be late for
REASONS = frozenset({"late", "overlap", "coalesced", "paused", "closed", "draining", "unknown"})

_ADD = (
    "INSERT INTO totals VALUES (?, ?, ?, ?, max(?, 0)) ON CONFLICT DO UPDATE "
    "SET value = value + excluded.value, shown = max(shown, value + excluded.value)"
)

# Of slots only what is new is added: `value` and `shown` are the same, also of rows that an older version wrote.
_GROW = (
    "INSERT INTO totals VALUES (?, ?, ?, ?, ?) ON CONFLICT DO UPDATE "
    "SET value = shown + excluded.value, shown = shown + excluded.value"
)


@dataclass
class Totals:
    """One strategy's totals. Buckets are by their upper bounds, and not cumulative; the last is for all that is more."""

    slots: dict[tuple[str, str], float] = field(default_factory=dict)  # (outcome, reason)
    runs: dict[tuple[str, str], float] = field(default_factory=dict)  # (outcome, trigger)
    buckets: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    sums: dict[str, float] = field(default_factory=dict)


class Counters:
    """The table `totals`. What a transaction adds is gathered, and written by `flush`."""

    def __init__(self, database: sqlite3.Connection) -> None:
        self._database = database
        # (strategy, name, label) → amount
        self._runs: dict[tuple[str, str, str], float] = defaultdict(float)
        self._slots: dict[tuple[str, str, str], float] = defaultdict(float)
        # Slots that this transaction has replaced or removed: put again with their outcome, they are not counted twice.
        self._removed: list[tuple[str, str, SlotRecord, int]] = []  # strategy, bot, record, slots that are left of it

    def clear(self) -> None:
        """Forget what waits and what was removed: what is put from now on is news."""
        self._runs.clear()
        self._slots.clear()
        self._removed.clear()

    def flush(self) -> None:
        """Add what waits to the totals in the file, once."""
        for waiting, statement in ((self._runs, _ADD), (self._slots, _GROW)):
            if waiting:
                self._database.executemany(statement, [(*key, amount, amount) for key, amount in waiting.items()])
                waiting.clear()

    def remove_slot(self, strategy: str, bot: str, known: SlotRecord) -> None:
        """Remember a stored record that is about to be replaced or removed."""
        self._removed.append((strategy, bot, known, known.count))

    def put_slot(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Count a record that is stored now, without the slots that were counted with the same outcome before."""
        new = slot.count
        for number, (of, one, record, left) in enumerate(self._removed):
            alike = (of, one, record.outcome) == (strategy, bot, slot.outcome)
            if alike and record.first <= slot.last and slot.first <= record.last:
                known = min(new, left)
                self._removed[number] = (of, one, record, left - known)
                new -= known
        if new:
            self._slots[strategy, "slots", f"{slot.outcome} {reason_class(slot.reason)}"] += new

    def count_run(self, strategy: str, before: RunRecord | None, run: RunRecord) -> None:
        """Count a run's outcome, its lateness and its duration once they are known; `before` is what was stored of it."""
        trigger = run.trigger if run.trigger in TRIGGERS else "other"
        was = before.outcome if before else None
        if run.outcome != was:
            for outcome, amount in ((was, -1), (run.outcome, 1)):
                if outcome is not None:
                    self._runs[strategy, "runs", f"{outcome} {trigger}"] += amount
        if trigger not in _NOT_LATE and (before is None or before.lateness_ms is None):
            self._observe(strategy, "lateness", run.lateness_ms)
        if trigger != "stream" and (before is None or before.duration_ms is None):
            self._observe(strategy, "duration", run.duration_ms)

    def _observe(self, strategy: str, name: str, value: float | None) -> None:
        if value is None:
            return
        seconds = max(0.0, value / 1000)
        bounds, labels = _BUCKETS[name]
        self._runs[strategy, name, labels[bisect_left(bounds, seconds)]] += 1
        self._runs[strategy, f"{name} sum", ""] += seconds

    def totals(self) -> dict[str, Totals]:
        """Return the totals by strategy."""
        self.flush()
        found: dict[str, Totals] = defaultdict(Totals)
        for strategy, name, label, shown in self._database.execute("SELECT strategy, name, label, shown FROM totals"):
            totals = found[strategy]
            if name in {"slots", "runs"}:
                outcome, _, about = label.partition(" ")
                (totals.slots if name == "slots" else totals.runs)[outcome, about] = shown
            elif name.endswith(" sum"):
                totals.sums[name.removesuffix(" sum")] = shown
            else:
                totals.buckets[name][label] = shown
        return found


def reason_class(reason: str) -> str:
    """Return a reason as one of a few words for any text in a journal: labels of metrics are bounded."""
    if not reason:
        return ""
    word = reason.split(maxsplit=1)[0].rstrip(":,")
    return word if word in REASONS else "unheard" if reason.startswith("nothing in the journal") else "other"
