"""The overview: which bots and conditions of the snapshot the first page shows, and how many it folds. Pure.

Bots that are down come first. A page has a bounded number of rows, however many bots there are.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from openbell.supervisor.health.bot_status import GOOD
from openbell.supervisor.health.snapshot import BotView, Snapshot, StrategyView
from openbell.supervisor.model.conditions import Condition

MOST_ROWS = 50  # bots on a page
MOST_STRATEGIES = 50  # strategies on a page
MOST_CONDITIONS = 12  # groups of conditions on a page
MOST_NAMES = 6  # bots that a group of conditions names
MOST_COMING = 4
ORDER = ("down", "late", "running", "paused", "new", "up")  # from the most urgent to the least


@dataclass(frozen=True)
class Group:
    """A strategy with those of its bots that are shown. `folded` are the statuses of the others, with their numbers."""

    strategy: StrategyView
    rows: tuple[BotView, ...]
    folded: tuple[tuple[str, int], ...]

    @property
    def folded_bots(self) -> int:
        """How many bots are not shown."""
        return sum(count for _, count in self.folded)


@dataclass(frozen=True)
class ConditionGroup:
    """Conditions of one kind in one strategy."""

    first: Condition
    bots: tuple[str, ...]  # the first few that it concerns; empty if it concerns the strategy as a whole
    more: int  # how many bots it concerns besides
    since: datetime
    timezone: str


@dataclass(frozen=True)
class Coming:
    """Bots that are due next, in one instant."""

    at: datetime
    strategy: str
    bot: str
    timezone: str
    more: int


@dataclass(frozen=True)
class Overview:
    """One page of the overview."""

    counts: tuple[tuple[str, int], ...]  # status → bots
    bots: int
    missed_today: int
    condition_groups: tuple[ConditionGroup, ...]
    more_condition_groups: int
    coming: tuple[Coming, ...]
    groups: tuple[Group, ...]
    page: int
    pages: int


def overview(snapshot: Snapshot, page: int = 1) -> Overview:
    """Return a page of the overview; one that does not exist is the last one."""
    strategies = snapshot.strategies
    pages = max(1, -(-len(strategies) // MOST_STRATEGIES))
    page = min(page, pages)
    if pages > 1:
        strategies = tuple(sorted(strategies, key=lambda one: (_worst(one), one.name)))
    bots = [bot for strategy in snapshot.strategies for bot in strategy.bots]
    found = condition_groups(snapshot)
    return Overview(
        counts=counted_by_status(bots),
        bots=len(bots),
        missed_today=sum(bot.missed_today for bot in bots),
        condition_groups=found[:MOST_CONDITIONS],
        more_condition_groups=max(0, len(found) - MOST_CONDITIONS),
        coming=coming(snapshot.strategies),
        groups=groups(strategies[(page - 1) * MOST_STRATEGIES : page * MOST_STRATEGIES]),
        page=page,
        pages=pages,
    )


def groups(strategies: Sequence[StrategyView]) -> tuple[Group, ...]:
    """Return the strategies of a page with the bots that it has room for."""
    if sum(len(strategy.bots) for strategy in strategies) <= MOST_ROWS:
        return tuple(Group(strategy, strategy.bots, ()) for strategy in strategies)
    fair = max(1, MOST_ROWS // len(strategies))
    shares = [min(fair, len(strategy.bots)) for strategy in strategies]
    left = MOST_ROWS - sum(shares)
    for index, strategy in enumerate(strategies):
        more = min(left, max(0, sum(bot.status not in GOOD for bot in strategy.bots) - shares[index]))
        shares[index] += more
        left -= more
    return tuple(_group(strategy, share) for strategy, share in zip(strategies, shares, strict=True))


def _group(strategy: StrategyView, share: int) -> Group:
    ordered = down_first(strategy.bots)
    return Group(strategy, tuple(ordered[:share]), counted_by_status(ordered[share:]))


def down_first(bots: Iterable[BotView]) -> list[BotView]:
    """Return bots, those that are down first, otherwise in their own order."""
    return sorted(bots, key=lambda bot: bot.status in GOOD)


def counted_by_status(bots: Iterable[BotView]) -> tuple[tuple[str, int], ...]:
    """Return how many bots have each status, from the most urgent to the least."""
    counts = Counter(bot.status for bot in bots)
    return tuple((status, counts[status]) for status in ORDER if counts[status])


def condition_groups(snapshot: Snapshot, strategy: str | None = None) -> tuple[ConditionGroup, ...]:
    """Return what is wrong, of one kind in one strategy as one, those that last longest first; of one strategy or of all."""
    zones = {view.name: view.timezone for view in snapshot.strategies}
    found: dict[tuple[str, str], list[Condition]] = {}
    for condition in snapshot.conditions:
        if strategy in {None, condition.strategy}:
            found.setdefault((condition.kind, condition.strategy), []).append(condition)
    grouped = [_condition_group(alike, zones.get(name, "UTC")) for (_, name), alike in found.items()]
    return tuple(sorted(grouped, key=lambda trouble: trouble.since))


def _condition_group(alike: Sequence[Condition], timezone: str) -> ConditionGroup:
    bots = [condition.bot for condition in alike if condition.bot]
    first = min(alike, key=lambda condition: condition.since)
    return ConditionGroup(first, tuple(bots[:MOST_NAMES]), max(0, len(bots) - MOST_NAMES), first.since, timezone)


def coming(strategies: Iterable[StrategyView]) -> tuple[Coming, ...]:
    """Return the nearest instants at which bots are due."""
    due: dict[datetime, list[tuple[StrategyView, BotView]]] = {}
    for strategy in strategies:
        for bot in strategy.bots:
            if bot.next_slot is not None and bot.status != "paused":
                due.setdefault(bot.next_slot, []).append((strategy, bot))
    nearest = sorted(due)[:MOST_COMING]
    return tuple(
        Coming(at, due[at][0][0].name, due[at][0][1].id, due[at][0][1].timezone, len(due[at]) - 1) for at in nearest
    )


def _worst(strategy: StrategyView) -> int:
    statuses = {strategy.status, *(bot.status for bot in strategy.bots)}
    return min((ORDER.index(status) for status in statuses if status in ORDER), default=0)
