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
REASONS = frozenset({"late", "overlap", "coalesced", "paused", "closed", "draining"})

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
class Changes:
    """What a transaction adds to the totals: (strategy, name, label) → amount."""

    runs: dict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))
    slots: dict[tuple[str, str, str], float] = field(default_factory=lambda: defaultdict(float))

    def write(self, database: sqlite3.Connection) -> None:
        """Add them to the totals in the file, once."""
        if self.runs:
            database.executemany(_ADD, [(*key, amount, amount) for key, amount in self.runs.items()])
            self.runs.clear()
        if self.slots:
            database.executemany(_GROW, [(*key, amount, amount) for key, amount in self.slots.items()])
            self.slots.clear()


@dataclass
class Totals:
    """One strategy's totals. Buckets are by their upper bounds, and not cumulative; the last is for all that is more."""

    slots: dict[tuple[str, str], float] = field(default_factory=dict)  # (outcome, reason)
    runs: dict[tuple[str, str], float] = field(default_factory=dict)  # (outcome, trigger)
    buckets: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    sums: dict[str, float] = field(default_factory=dict)


@dataclass
class Replaced:
    """Records that are being replaced within a transaction: slots that are put again with their outcome are not counted twice."""

    removed: list[tuple[str, str, str, SlotRecord, int]] = field(
        default_factory=list
    )  # strategy, bot, label, record, left

    def clear(self) -> None:
        """Forget them: what is put from now on is news."""
        self.removed.clear()

    def remove(self, strategy: str, bot: str, known: SlotRecord) -> None:
        """Remember a stored record that is about to be replaced or removed."""
        self.removed.append((strategy, bot, f"{known.outcome} {reason_class(known.reason)}", known, known.count))

    def put(self, changes: Changes, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Count a record that is stored now, without the slots that were counted with the same outcome before."""
        if slot.outcome is None:
            return
        new = slot.count
        for number, (of, one, label, record, left) in enumerate(self.removed):
            alike = (of, one, record.outcome) == (strategy, bot, slot.outcome)
            if alike and record.first <= slot.last and slot.first <= record.last:
                known = min(new, left)
                self.removed[number] = (of, one, label, record, left - known)
                new -= known
        if new:
            label = f"{slot.outcome} {reason_class(slot.reason)}"
            changes.slots[strategy, "slots", label] += new


def count_run(changes: Changes, strategy: str, before: RunRecord | None, run: RunRecord) -> None:
    """Count a run's outcome, its lateness and its duration once they are known; `before` is what was stored of it."""
    trigger = run.trigger if run.trigger in TRIGGERS else "other"
    was = before.outcome if before else None
    if run.outcome != was:
        for outcome, amount in ((was, -1), (run.outcome, 1)):
            if outcome is not None:
                changes.runs[strategy, "runs", f"{outcome} {trigger}"] += amount
    if trigger not in {"manual", "backfill", "stream"} and (before is None or before.lateness_ms is None):
        _observe(changes, strategy, "lateness", LATENESS, run.lateness_ms)
    if trigger != "stream" and (before is None or before.duration_ms is None):
        _observe(changes, strategy, "duration", DURATION, run.duration_ms)


def totals(database: sqlite3.Connection) -> dict[str, Totals]:
    """Return the totals by strategy."""
    found: dict[str, Totals] = defaultdict(Totals)
    for strategy, name, label, shown in database.execute("SELECT strategy, name, label, shown FROM totals"):
        totals = found[strategy]
        if name in {"slots", "runs"}:
            outcome, _, about = label.partition(" ")
            (totals.slots if name == "slots" else totals.runs)[outcome, about] = shown
        elif name.endswith(" sum"):
            totals.sums[name.removesuffix(" sum")] = shown
        else:
            totals.buckets[name][label] = shown
    return found


def _observe(changes: Changes, strategy: str, name: str, bounds: tuple[float, ...], value: float | None) -> None:
    if value is None:
        return
    seconds = max(0.0, value / 1000)
    bucket = bisect_left(bounds, seconds)
    changes.runs[strategy, name, str(bounds[bucket]) if bucket < len(bounds) else "+Inf"] += 1
    changes.runs[strategy, f"{name} sum", ""] += seconds


def reason_class(reason: str) -> str:
    """Return a reason as one of a few words, whatever a journal says: labels of metrics are bounded."""
    if not reason:
        return ""
    word = reason.split(maxsplit=1)[0].rstrip(":,")
    return word if word in REASONS else "unheard" if reason.startswith("nothing in the journal") else "other"
