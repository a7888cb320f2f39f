"""A run's page: all that the store keeps of one run."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from openbell.supervisor.health.snapshot import StrategyView
from openbell.supervisor.model.records import DecisionRecord, ErrorRecord, Finding, NoteRecord, RunRecord, SignalRecord
from openbell.supervisor.store import event_tables
from openbell.supervisor.store.store import Store
from openbell.supervisor.web import comparisons
from openbell.supervisor.web.comparisons import ComparedDecision


@dataclass(frozen=True)
class RunPage:
    """What the page of a run shows, each list in the order in which it happened."""

    view: StrategyView
    timezone: str  # of its bot
    run: RunRecord
    signals: Sequence[SignalRecord]
    decisions: Sequence[DecisionRecord]
    findings: Sequence[Finding]
    errors: Sequence[ErrorRecord]
    notes: Sequence[NoteRecord]
    compared_at: datetime | None  # when `make compare` was run; None if it never was
    backtest: Sequence[ComparedDecision]  # the same run in that backtest

    @property
    def is_empty(self) -> bool:
        """Tell whether nothing but the run itself is kept."""
        return not (self.signals or self.decisions or self.findings or self.errors or self.notes)


def run_page(view: StrategyView, store: Store, run_id: str, state: Path) -> RunPage | None:
    """Return the page of a strategy's run, or None if the store has no such run. state: the supervisor's folder."""
    run = store.runs.get(view.name, run_id)
    if run is None:
        return None
    compared_at, backtest = comparisons.of_run(state, view.name, run.bot, run.slot)
    return RunPage(
        view=view,
        timezone=next((bot.timezone for bot in view.bots if bot.id == run.bot), view.timezone),
        run=run,
        signals=store.of_run(event_tables.SIGNALS, view.name, run_id),
        decisions=store.orders.followed(view.name, store.of_run(event_tables.DECISIONS, view.name, run_id)),
        findings=store.of_run(event_tables.FINDINGS, view.name, run_id),
        errors=store.of_run(event_tables.ERRORS, view.name, run_id),
        notes=store.of_run(event_tables.NOTES, view.name, run_id),
        compared_at=compared_at,
        backtest=backtest,
    )
