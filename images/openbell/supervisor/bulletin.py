"""The bulletin: puts the newest snapshot together, and tells whether it says anything new."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from openbell.control import Deployment
from openbell.supervisor.conditions import Condition
from openbell.supervisor.snapshot import Snapshot, StrategyView, headline


def next_snapshot(
    before: Snapshot | None,
    now: datetime,
    strategies: Iterable[StrategyView],
    conditions: Iterable[Condition],
    *,
    trouble: str = "",
    last_fault: int = 0,
    deployment: Deployment | None = None,
    reading: Iterable[str] = (),
) -> Snapshot:
    """Return the snapshot that follows `before`. trouble: the supervisor's own, if it has any."""
    views = tuple(strategies)
    if trouble:  # it is told once, and not for each strategy
        conditions = [one for one in conditions if one.kind != "journal_unreadable" or not one.strategy]
    ok, text = headline(views, trouble)
    new = Snapshot(
        judged_at=now,
        version=before.version if before else 1,
        ok=ok,
        headline=text,
        strategies=views,
        conditions=tuple(sorted(conditions, key=lambda one: (one.strategy, one.bot, one.kind))),
        last_fault=last_fault,
        deployment=deployment,
        reading=tuple(sorted(reading)),
    )
    return new if before is None or _same(before, new) else replace(new, version=before.version + 1)


def _same(before: Snapshot, after: Snapshot) -> bool:
    # Views are made anew only when something has changed: identity is enough, and quick.
    if len(before.strategies) != len(after.strategies):
        return False
    if any(one is not other for one, other in zip(before.strategies, after.strategies, strict=True)):
        return False
    return replace(before, judged_at=after.judged_at, strategies=after.strategies) == after
