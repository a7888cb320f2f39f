"""The bulletin: puts the newest snapshot together, and tells whether it says anything new."""

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime

from openbell.control import Deployment
from openbell.supervisor.health.snapshot import Snapshot, StrategyView, headline
from openbell.supervisor.model.conditions import Condition


def next_snapshot(
    before: Snapshot | None,
    now: datetime,
    strategies: Iterable[StrategyView],
    conditions: Iterable[Iterable[Condition]],
    *,
    trouble: str = "",
    last_fault: int = 0,
    deployment: Deployment | None = None,
    reading: Iterable[str] = (),
) -> Snapshot:
    """Return the snapshot that follows `before`.

    conditions: those of the machine, and of each strategy. trouble: the supervisor's own, if it has any.
    """
    views, parts, waiting = tuple(strategies), tuple(conditions), tuple(sorted(reading))
    facts = (parts, trouble, last_fault, deployment, waiting)
    if before is not None and _same(before.strategies, views) and facts == before.facts:
        return replace(before, judged_at=now)
    every = [one for part in parts for one in part]
    if trouble:  # it is told once, and not for each strategy
        every = [one for one in every if one.kind != "journal_unreadable" or not one.strategy]
    if waiting and not trouble:
        trouble = f"Still reading the journals of {len(waiting)} of {len(views)} strategies"
    ok, text = headline(views, trouble)
    return Snapshot(
        judged_at=now,
        version=before.version + 1 if before else 1,
        ok=ok,
        headline=text,
        strategies=views,
        conditions=tuple(sorted(every, key=lambda one: (one.strategy, one.bot, one.kind))),
        last_fault=last_fault,
        deployment=deployment,
        reading=waiting,
        facts=facts,
    )


def _same(before: Sequence[StrategyView], after: Sequence[StrategyView]) -> bool:
    # Views are made anew only when something has changed: identity is enough, and quick.
    return len(before) == len(after) and all(one is other for one, other in zip(before, after, strict=True))
