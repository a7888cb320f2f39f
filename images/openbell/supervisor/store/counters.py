"""The tally: totals of slots, runs, lateness and durations that only ever grow, for the metrics.

They are kept in the store's own file, in the transaction of the records that they count: a crash neither loses nor repeats
anything, and they outlive the records, which are pruned. A slot that changes its outcome later (missed, and run after
all) is counted where it belongs from then on; what was shown already is never taken back, as a counter demands.
"""

from bisect import bisect_left
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path

from openbell.supervisor.model.instants import milliseconds
from openbell.supervisor.model.records import RunRecord, SlotRecord
from openbell.supervisor.store.store import Store

LATENESS = (0.001, 0.002, 0.003, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 5.0, 30.0, 60.0)  # seconds
DURATION = (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
TRIGGERS = frozenset({"loop", "manual", "stream", "cron", "serverless"})
REASONS = frozenset({"late", "overlap", "coalesced", "paused", "closed", "draining"})

_TABLE = """
CREATE TABLE IF NOT EXISTS totals (
    strategy TEXT NOT NULL, name TEXT NOT NULL, label TEXT NOT NULL, value REAL NOT NULL, shown REAL NOT NULL,
    PRIMARY KEY (strategy, name, label)
) WITHOUT ROWID;
"""
_ADD = (
    "INSERT INTO totals VALUES (?, ?, ?, ?, max(?, 0)) ON CONFLICT DO UPDATE "
    "SET value = value + excluded.value, shown = max(shown, value + excluded.value)"
)


@dataclass
class Totals:
    """One strategy's totals. Buckets are by their upper bounds, and not cumulative; the last is for all that is more."""

    slots: dict[tuple[str, str], float] = field(default_factory=dict)  # (outcome, reason)
    runs: dict[tuple[str, str], float] = field(default_factory=dict)  # (outcome, trigger)
    buckets: dict[str, dict[str, float]] = field(default_factory=lambda: defaultdict(dict))
    sums: dict[str, float] = field(default_factory=dict)


class CountingStore(Store):
    """A store that counts what it is told."""

    def __init__(self, path: Path, *, read_only: bool = False) -> None:
        super().__init__(path, read_only=read_only)
        if not read_only:
            self._database.executescript(_TABLE)

    def put_slot(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Store a slot's record, and count it in the place of the one that it replaces."""
        self._uncount(strategy, bot, slot)
        super().put_slot(strategy, bot, slot)
        if slot.outcome is not None:
            self._add(strategy, "slots", f"{slot.outcome} {reason_class(slot.reason)}", slot.count)

    def drop_slot(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        """Remove a record, and count it no more."""
        self._uncount(strategy, bot, slot)
        super().drop_slot(strategy, bot, slot)

    def put_run(self, strategy: str, run: RunRecord) -> None:
        """Store a run, and count its outcome, its lateness and its duration once they are known."""
        before = self.run(strategy, run.run_id)
        super().put_run(strategy, run)
        trigger = run.trigger if run.trigger in TRIGGERS else "other"
        was = before.outcome if before else None
        if run.outcome != was:
            for outcome, amount in ((was, -1), (run.outcome, 1)):
                if outcome is not None:
                    self._add(strategy, "runs", f"{outcome} {trigger}", amount)
        if trigger not in {"manual", "stream"}:
            self._measure(strategy, "lateness", LATENESS, run.lateness_ms, before.lateness_ms if before else None)
        if trigger != "stream":
            self._measure(strategy, "duration", DURATION, run.duration_ms, before.duration_ms if before else None)

    def _uncount(self, strategy: str, bot: str, slot: SlotRecord) -> None:
        row = self._database.execute(
            "SELECT outcome, reason, count FROM slots WHERE strategy = ? AND bot = ? AND last = ? AND outcome IS NOT NULL",
            (strategy, bot, milliseconds(slot.last)),
        ).fetchone()
        if row is not None:
            self._add(strategy, "slots", f"{row[0]} {reason_class(row[1])}", -row[2])

    def _measure(
        self, strategy: str, name: str, bounds: tuple[float, ...], value: float | None, before: float | None
    ) -> None:
        if value is None or before is not None:
            return
        seconds = max(0.0, value / 1000)
        place = bisect_left(bounds, seconds)
        self._add(strategy, name, str(bounds[place]) if place < len(bounds) else "+Inf", 1)
        self._add(strategy, f"{name} sum", "", seconds)

    def _add(self, strategy: str, name: str, label: str, amount: float) -> None:
        self._database.execute(_ADD, (strategy, name, label, amount, amount))

    def totals(self) -> dict[str, Totals]:
        """Return the totals by strategy."""
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
    """Return a reason as one of a few words, whatever a journal says: labels of metrics are bounded."""
    if not reason:
        return ""
    word = reason.split(maxsplit=1)[0].rstrip(":,")
    return word if word in REASONS else "unheard" if reason.startswith("nothing in the journal") else "other"
