"""Flips: which conditions came and went between those stored as open and those of a snapshot. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from openbell.supervisor.alerts.grouping import CANARY, CANARY_STRATEGY, STREAMS, cause_of
from openbell.supervisor.alerts.model import Member
from openbell.supervisor.alerts.settings import COUNTED, Thresholds
from openbell.supervisor.health.snapshot import BotView, Snapshot, StrategyView
from openbell.supervisor.model.conditions import Condition

Key = tuple[str, str, str]


@dataclass(frozen=True)
class EndedCondition:
    """A condition that is gone, and how.

    "mended" only if it was seen working; "paused" with the pause in `remedy`; "unwatched" if its bot or strategy is no
    longer watched; "replaced" if something else is wrong with the same loop now.
    """

    member: Member
    ended: str
    remedy: str = ""


@dataclass(frozen=True)
class ConditionChanges:
    """Conditions that came, members whose condition is gone, and members with newer evidence."""

    came: tuple[Condition, ...]
    gone: tuple[EndedCondition, ...]
    changed: tuple[tuple[Member, Condition], ...]


def condition_changes(
    stored: Mapping[Key, Member], snapshot: Snapshot, alert_after: Thresholds, recover_after: Thresholds
) -> ConditionChanges:
    """Return the changes. A condition comes after `alert_after` bad slots in a row, and goes after `recover_after` good ones."""
    seen = {condition.key: condition for condition in snapshot.conditions}
    came = tuple(
        condition
        for key, condition in seen.items()
        if key not in stored
        and (cause_of(condition) == CANARY or condition.count >= alert_after.of(condition.kind, condition.bot))
    )
    changed = tuple(
        (member, seen[key]) for key, member in stored.items() if key in seen and seen[key] != member.condition
    )
    # A strategy whose journal is still being read has no conditions yet, which does not mean that they are over.
    # After an error of the store nothing at all is known to be over.
    missing = (
        []
        if snapshot.is_blind
        else [
            member
            for key, member in stored.items()
            if key not in seen and member.condition.strategy not in snapshot.reading
        ]
    )
    return ConditionChanges(came, tuple(_gone(missing, snapshot, recover_after)) if missing else (), changed)


def _gone(missing: Iterable[Member], snapshot: Snapshot, recover_after: Thresholds) -> Iterable[EndedCondition]:
    strategies = {strategy.name: strategy for strategy in snapshot.strategies}
    for member in missing:
        condition = member.condition
        strategy = strategies.get(condition.strategy)
        if not condition.strategy or condition.strategy == CANARY_STRATEGY:
            yield EndedCondition(member, "mended")
        elif strategy is None:
            yield EndedCondition(member, "unwatched")
        elif not condition.bot:
            if strategy.status == "up":
                yield EndedCondition(member, "mended")
            elif strategy.status == "down" and strategy.condition and strategy.condition != condition.kind:
                yield EndedCondition(member, "replaced")  # by what is wrong with the same loop now
        elif not strategy.problems:
            yield from _gone_of_bot(member, strategy, recover_after)


def _gone_of_bot(member: Member, strategy: StrategyView, recover_after: Thresholds) -> Iterable[EndedCondition]:
    condition = member.condition
    view = next((bot for bot in strategy.bots if bot.id == condition.bot), None)
    if view is None:
        yield EndedCondition(member, "unwatched")
    elif view.status == "paused":
        yield EndedCondition(member, "paused", view.reason)
    elif condition.kind in COUNTED:
        # Only a success is a proof: a store that was rebuilt does not know of slots about which the journal is silent.
        works = view.last_success is not None and view.last_success >= condition.since
        if works and successes_in_a_row(view) >= recover_after.of(condition.kind, condition.bot):
            yield EndedCondition(member, "mended")
    elif strategy.status == "up" and (condition.kind not in STREAMS or view.status == "up"):
        # A loop that is stopped or gone proves nothing about an earlier condition.
        yield EndedCondition(member, "mended")


def successes_in_a_row(view: BotView) -> int:
    """Return how many of a bot's newest slots succeeded in a row; skipped ones do not count."""
    count = 0
    for slot in view.slots:
        if slot.outcome == "succeeded":
            count += 1
        elif slot.outcome not in {"skipped", None}:
            break
    # The condition is gone, so the newest slot has succeeded, even if it is not among those shown.
    return max(count, 1)
